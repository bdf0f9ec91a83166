/**
 * What became of the work on several deployments, and on what all of them share.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import { UnknownMigrationError } from "../../engine/errors.ts";
import type { Fleet } from "../../engine/fleet.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { describeError, type ErrorReport } from "../output/report_error.ts";
import { storePlace } from "../stores/place.ts";

/** One account. The name is null for what all share. */
export type Account<T> =
  | { readonly name: string | null; readonly ok: true; readonly value: T }
  | { readonly name: string | null; readonly ok: false; readonly error: unknown };

/** Exit statuses, the most serious first: what needs a person, then what needs a store, then what needs patience. */
const SERIOUS: readonly number[] = [
  EXIT.SIGTERM,
  EXIT.SIGINT,
  EXIT.failed,
  EXIT.usage,
  EXIT.unreachable,
  EXIT.stale,
  EXIT.locked,
  EXIT.done,
];

/** The most serious of several exit statuses. */
export function mostSerious(statuses: readonly number[]): number {
  return SERIOUS.find((status) => statuses.includes(status)) ?? EXIT.done;
}

/** Asks what is shared and every deployment, all at once. */
export async function askAll<T>(
  { shared, each }: Pick<ChosenFleet, "shared" | "each">,
  work: (engine: Engine, name: string | null) => Promise<T>,
): Promise<readonly Account<T>[]> {
  const [first, others] = await Promise.all([
    shared === null ? [] : askOne(shared, work).then((account) => [account]),
    each(work),
  ]);
  return [...first, ...others];
}

/** Asks what is shared alone. */
export async function askOne<T>(
  shared: Engine,
  work: (engine: Engine, name: string | null) => Promise<T>,
): Promise<Account<T>> {
  try {
    return { name: null, ok: true, value: await work(shared, null) };
  } catch (error) {
    return { name: null, ok: false, error };
  }
}

/** Those of a fleet who know the migrations that were named. */
export interface ChosenFleet {
  /** All that were named, in full. */
  readonly ids: readonly string[];
  /** Null where nothing is shared, or nothing of it is meant. */
  readonly shared: Engine | null;
  /** In full, of those that an engine knows; empty for all. */
  readonly idsOf: (engine: Engine) => readonly string[];
  each<T>(work: (engine: Engine, name: string | null) => Promise<T>): Promise<readonly Account<T>[]>;
}

/**
 * Finds out who is meant by IDs: steps of Postgres are those of the shared store, all others of each deployment.
 *
 * @throws {UnknownMigrationError | UsageError} When one names no migration, or more than one.
 */
export function chooseBy(fleet: Fleet, ids: readonly string[]): ChosenFleet {
  const [first] = fleet.engines.values();
  const engines = [fleet.shared, first].filter((engine) => engine !== undefined && engine !== null);
  const chosen = ids.map((id) => {
    const found = [...new Set(engines.flatMap((engine) => resolved(engine, id)))];
    if (found.length > 1) {
      throw new UsageError(`More than one migration is called "${id}": ${found.join(", ")}`, {
        hint: "Name one of them in full",
      });
    }
    return found[0] ?? engines[0]?.resolve(id) ?? id;
  });
  const idsOf = (engine: Engine) => chosen.filter((id) => resolved(engine, id).length > 0);
  const isMeant = (engine: Engine) => ids.length === 0 || idsOf(engine).length > 0;
  return {
    ids: chosen,
    shared: fleet.shared !== null && isMeant(fleet.shared) ? fleet.shared : null,
    idsOf,
    each: async (work) => {
      if (first === undefined || !isMeant(first)) return [];
      const outcomes = await fleet.each(work);
      return outcomes.map(({ deployment: name, ...outcome }) => ({ name, ...outcome }));
    },
  };
}

function resolved(engine: Engine, id: string): string[] {
  try {
    return [engine.resolve(id)];
  } catch (error) {
    if (error instanceof UnknownMigrationError) return [];
    throw error;
  }
}

/** What went wrong, as it is told. Further commands are for this deployment alone. */
export function describeFailure(context: Context, name: string, error: unknown): ErrorReport {
  return describeError(error, {
    scrub: context.scrub,
    stoppedBy: context.host.stoppedBy(),
    carried: carriedFor(context, name),
    whereIs: (store) => storePlace(store, context.resolved),
  });
}

/** The flags that a command needs which is for one deployment alone. */
export function carriedFor({ carried, settings }: Context, name: string): string {
  const others = carried.replace(/ --all-deployments| --deployment-id (?:'[^']*'|\S+)/g, "");
  const off = settings.allDeployments && !carried.includes(" --all-deployments")
    ? " --no-all-deployments"
    : "";
  return `${others} --deployment-id ${name === "" ? "''" : name}${off}`;
}

/** How a deployment is called to people. */
export function shownName(name: string | null): string {
  return name === null ? "(shared by all)" : name === "" ? "(without an ID)" : name;
}

/** `20 deployments: a, b, c, ...`: said before anything is changed. */
export function fleetSentence(fleet: Fleet): string {
  const names = [...fleet.engines.keys()].map(shownName);
  const shown = names.slice(0, SHOWN).join(", ");
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return `${names.length} ${names.length === 1 ? "deployment" : "deployments"}: ${shown}${more}`;
}

const SHOWN = 10;
