/**
 * Applies what is pending: SQL first, then Redis, in version order, under the lock.
 *
 * @module
 */

import type { SqlBackend } from "./sql_backend.ts";
import { PlanStaleError } from "./errors.ts";
import { refusalFor } from "./refusal.ts";
import { type ApplyEvent, ApplyRun } from "./apply_run.ts";
import type { LockOptions } from "./lock/lock.ts";
import { type Locked, withLock } from "./lock/with_lock.ts";
import type { MigrationEntry, MigrationResult, Pace, StoreName } from "./migration.ts";
import { assertFits, PLAN_AGAIN, type SavedPlan } from "./saved_plan.ts";
import { findBlockers, maySelectedRunAsOne, placesOf, select } from "./plan.ts";
import { takeAway } from "./prepare.ts";
import { assertNoneDirtyAhead, assertSound, type State } from "./state.ts";
import type { EngineContext } from "./stores.ts";

export type { ApplyEvent } from "./apply_run.ts";

/** How {@linkcode Engine.apply} works. */
export interface ApplyOptions extends LockOptions, Pace {
  /** Loose IDs; undefined or empty for everything that is pending. */
  readonly ids?: readonly string[] | undefined;
  /** A saved plan: exactly this is applied, or nothing. */
  readonly plan?: SavedPlan | undefined;
  /**
   * True for a plan that a person has just agreed to: then also what others have done of it since is a difference. Else what is done
   * of a plan counts as done, so that one that was interrupted stays good. @default {false}
   */
  readonly justShown?: boolean | undefined;
  /** Runs named Redis migrations again although they are applied. */
  readonly rerun?: boolean | undefined;
  /** Accepts records that cannot be converted: leaves them as they are, notes them, finishes. */
  readonly skipInvalid?: boolean | undefined;
  /** Takes away what is prepared, and does all of the work now. */
  readonly noPrepared?: boolean | undefined;
  /** Told of everything that happens, in order. */
  readonly onEvent?: ((event: ApplyEvent) => void) | undefined;
}

/** What {@linkcode Engine.apply} did. */
export interface ApplyResult {
  /** Every planned migration, in order. Empty when nothing was pending. */
  readonly results: readonly MigrationResult[];
  /** Somebody else applied what was pending while this run waited for the lock. */
  readonly doneByOther: boolean;
}

/** Applies. See {@linkcode Engine.apply} for the errors. */
export async function apply(
  context: EngineContext,
  read: () => Promise<State>,
  options: ApplyOptions,
): Promise<ApplyResult> {
  const first = await read();
  const before = await chooseFrom(context, first, options);
  // What older tools called applied their records may not be: that is found out as it is taken over.
  const adopts = first.redis?.adoptable === true && options.plan === undefined;
  if (before.length === 0 && !adopts) return { results: [], doneByOther: false };
  return await withLock(context, "apply", options, async (locked) => {
    const { lock: { fence }, signal } = locked;
    await context.redis?.adopt({ signal, ...(fence === null ? {} : { fence }) });
    if (options.noPrepared) await takeAway(locked);
    // Read again under the lock: while this run waited, another one may have done the work.
    const state = await read();
    const selected = await chooseFrom(context, state, options);
    if (selected.length === 0) return { results: [], doneByOther: before.length > 0 };
    const blockers = await findBlockers(context, selected);
    if (blockers.length > 0) throw refusalFor("apply", blockers);
    const concerned = new Set<StoreName>(selected.map(({ store }) => store));
    options.onEvent?.({
      event: "begin",
      ids: selected.map(({ id }) => id),
      stores: placesOf(state).filter(({ store }) => concerned.has(store)),
    });
    return { results: await runAll(context, locked, selected, options), doneByOther: false };
  });
}

/** What this run is to do, from what the stores say. Throws where nothing may be done. */
async function chooseFrom(
  context: EngineContext,
  state: State,
  { ids = [], rerun = false, plan, justShown = false }: ApplyOptions,
): Promise<readonly MigrationEntry[]> {
  if (plan !== undefined) await assertFits(context, state, plan, { justShown });
  else if (ids.length === 0) assertNoneDirtyAhead(state);
  const selected = select(ignoreRunning(state.entries), plan?.basis.selected ?? ids, { rerun });
  for (const name of state.sql.keys()) {
    if (selected.some(({ store }) => store === name)) assertSound(name, state);
  }
  return selected;
}

/** Under the lock nobody else runs, and before it a running migration is one to wait for: pending in both cases. */
function ignoreRunning(entries: readonly MigrationEntry[]): readonly MigrationEntry[] {
  return entries.map((entry) => (entry.status === "running" ? { ...entry, status: "pending" } : entry));
}

async function runAll(
  context: EngineContext,
  locked: Locked,
  selected: readonly MigrationEntry[],
  options: ApplyOptions,
): Promise<readonly MigrationResult[]> {
  const run = new ApplyRun(context, locked, selected, options);
  for (const [store, backend] of context.sql) {
    const steps = selected.filter((entry) => entry.store === store);
    const together = await chooseTogether(backend, steps, options);
    await backend.handOver("up", steps.map(({ version }) => version), async (version) => {
      const alone = steps.filter((entry) => entry.version === version && !together.includes(entry));
      if (alone.length > 0) await run.finish(alone);
      else if (version === together.at(-1)!.version) await run.finish(together);
    });
  }
  const inRedis = selected.filter(({ store }) => store === "redis");
  if (inRedis.length > 0) await run.finish(inRedis);
  return run.results;
}

/**
 * The steps that run as one: those that were shown to do so, or none.
 *
 * @throws {PlanStaleError} When that has changed since the plan was shown.
 */
async function chooseTogether(
  backend: SqlBackend,
  steps: readonly MigrationEntry[],
  { ids = [], plan }: ApplyOptions,
): Promise<readonly MigrationEntry[]> {
  if (!maySelectedRunAsOne(ids, plan) || steps.length === 0) return [];
  const { together, apart } = await backend.group(steps.map(({ version }) => version));
  const chosen = steps.filter(({ version }) => together.includes(version));
  const shown = plan?.basis.together?.filter((id) => steps.some((entry) => entry.id === id));
  if (shown === undefined || shown.join() === chosen.map(({ id }) => id).join()) return chosen;
  const change = `${shown.join(", ")} would no longer run as one${
    apart.length === 0 ? "" : `: ${apart.join("; ")}`
  }`;
  throw new PlanStaleError(`The plan no longer fits: ${change}`, [change], {
    hint: PLAN_AGAIN,
  });
}
