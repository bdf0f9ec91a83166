/**
 * What a plan rests on, and whether a saved one still fits.
 *
 * @module
 */

import { digestOf } from "./checksum.ts";
import { PlanStaleError } from "./errors.ts";
import { type Hint, hint } from "./hint.ts";
import { isPending, type MigrationEntry, type StoreName, typeOf } from "./migration.ts";
import type { State } from "./state.ts";
import { askEach, type EngineContext } from "./stores.ts";

/** What a plan rests on: when any of it moves, the plan no longer fits. */
export interface PlanBasis {
  /** The deployment; empty for none. */
  readonly deployment: string;
  /** Which servers and databases, by store, without secrets. */
  readonly stores: Readonly<Record<string, string>>;
  /** Version reached, by SQL store; -1 is never used, 0 is none. */
  readonly versions: Readonly<Record<string, number>>;
  /** Every known migration: its checksum and status. */
  readonly migrations: readonly { readonly id: string; readonly checksum: string; readonly status: string }[];
  /** What is to be applied, in order. */
  readonly selected: readonly string[];
  /** For each selected step that can run in several ways, the one that it takes; empty for the ordinary one. */
  readonly variants: Readonly<Record<string, string>>;
  /** Those of them that run as one; absent where each runs by itself. */
  readonly together?: readonly string[];
}

/** A plan to hold on to. */
export interface SavedPlan {
  /** As it was planned. */
  readonly digest: string;
  /** What the digest is taken over. */
  readonly basis: PlanBasis;
}

/** What to do with a saved plan that fits no more. */
export const PLAN_AGAIN: Hint = {
  ...hint`Plan again: ${"plan --out FILE"}`,
  forCallers: "Plan again, and save the digest and the basis of that plan",
};

/**
 * Asserts that a saved plan was not edited, and that nothing has moved but what itself did when it was interrupted.
 *
 * @throws {PlanStaleError} When it was, or when something has.
 */
export async function assertFits(
  context: Omit<EngineContext, "lock">,
  state: State,
  { digest, basis }: SavedPlan,
  { justShown = false }: { readonly justShown?: boolean } = {},
): Promise<void> {
  const chosen = state.entries.filter(({ id }) => basis.selected.includes(id));
  const changes = digestOf(basis) !== digest
    ? ["The file was changed: its digest does not match its contents"]
    : compareBasis(basis, await basisOf(context, state, chosen, basis.together), { justShown });
  if (changes.length === 0) return;
  throw new PlanStaleError(`The plan no longer fits: ${changes.join("; ")}`, changes, {
    hint: justShown ? "Run the same command again: it shows what is left to be done" : PLAN_AGAIN,
  });
}

/** What a plan rests on, from what was read. @param together Those that run as one, whatever way each would take by itself. */
export async function basisOf(
  { sql, redis, deployment }: Omit<EngineContext, "lock">,
  state: State,
  selected: readonly MigrationEntry[],
  together: readonly string[] = [],
): Promise<PlanBasis> {
  const open = selected.filter(({ id, status }) => isPending(status) && !together.includes(id));
  const ways = await askEach(
    sql,
    (backend, name) =>
      backend.variants(open.filter(({ store }) => store === name).map(({ version }) => version)),
  );
  const known = [...[...sql.values()].flatMap((backend) => backend.migrations), ...(redis?.migrations ?? [])];
  const status = new Map(state.entries.map((entry) => [entry.id, entry.status]));
  return {
    deployment,
    stores: Object.fromEntries([
      ...[...state.sql].map(([store, { identity }]) => [store, identity]),
      ...(state.redis === null ? [] : [["redis", state.redis.identity]]),
    ]),
    versions: Object.fromEntries([...state.sql].map(([store, { version }]) => [store, version])),
    migrations: known.map(({ id, checksum }) => ({ id, checksum, status: status.get(id) ?? "pending" })),
    selected: selected.map(({ id }) => id),
    variants: Object.assign({}, ...ways.values()),
  };
}

/**
 * Says what moved between a saved plan and now, one line each; empty when the plan still fits. What the plan itself is for
 * may be done by now, all of it or its beginning, unless it was just shown.
 */
export function compareBasis(
  saved: PlanBasis,
  now: PlanBasis,
  { justShown = false }: { readonly justShown?: boolean } = {},
): readonly string[] {
  const expected = justShown ? OPEN : EXPECTED;
  const changes: string[] = [];
  if (saved.deployment !== now.deployment) {
    changes.push(`The deployment was "${saved.deployment}" and is "${now.deployment}"`);
  }
  const was = new Map(saved.migrations.map((migration) => [migration.id, migration]));
  const is = new Map(now.migrations.map((migration) => [migration.id, migration]));
  const planned = new Set(saved.selected.filter((id) => OPEN.includes(was.get(id)?.status ?? "")));
  const done = justShown ? [] : [...planned].filter((id) => is.get(id)?.status === "applied");
  for (const store of union(Object.keys(saved.stores), Object.keys(now.stores))) {
    const [before, after] = [saved.stores[store], now.stores[store]];
    if (before !== after) {
      changes.push(`The ${store} store was ${before ?? "absent"} and is ${after ?? "absent"}`);
    }
    const [from, to] = [saved.versions[store], now.versions[store]];
    const steps = done.filter((id) => id.startsWith(`${typeOf(store as StoreName)}/`)).length;
    if (from !== to && (from === undefined || from + steps !== to)) {
      changes.push(`The ${store} version was ${from ?? "none"} and is ${to ?? "none"}`);
    }
  }
  for (const id of union([...was.keys()], [...is.keys()])) {
    const [before, after] = [was.get(id), is.get(id)];
    if (before === undefined) changes.push(`${id} is new`);
    else if (after === undefined) changes.push(`${id} is gone`);
    else if (before.checksum !== after.checksum) changes.push(`${id} was edited: its checksum changed`);
    else if (before.status !== after.status && !(planned.has(id) && expected.includes(after.status))) {
      changes.push(`${id} was ${before.status} and is ${after.status}`);
    }
  }
  // What is done by now has no way to take any more.
  for (const [id, variant] of Object.entries(now.variants)) {
    const shown = saved.variants[id];
    if (shown !== variant) {
      changes.push(`${id} was to run ${wayText(shown)}, and would run ${wayText(variant)}`);
    }
  }
  if (changes.length === 0 && saved.selected.join() !== now.selected.join()) {
    const list = (ids: readonly string[]) => ids.join(", ") || "nothing";
    changes.push(`The plan was for ${list(saved.selected)}, now for ${list(now.selected)}`);
  }
  return changes;
}

/** How a step runs, for people. */
function wayText(variant: string | undefined): string {
  return variant === undefined || variant === "" ? "in the ordinary way" : variant;
}

/** What a migration is when it is planned, and what becomes of it when the plan is carried out, to its end or not. */
const OPEN = ["pending", "failed", "running"];
const EXPECTED = [...OPEN, "applied"];

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}
