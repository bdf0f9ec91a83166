/**
 * Applies what is pending: SQL first, then Redis, in version order, under the lock.
 *
 * @module
 */

import { toldError } from "./told_error.ts";
import type { SqlState } from "./backend.ts";
import {
  ApplyError,
  BlockedError,
  DirtyError,
  DriftError,
  InterruptedError,
  LockLostError,
} from "./errors.ts";
import { dirtyHint, hint } from "./hint.ts";
import type { LockOptions } from "./lock/lock.ts";
import { type Locked, withLock } from "./lock/with_lock.ts";
import {
  type MigrationEntry,
  type MigrationResult,
  type Pace,
  type Progress,
  type SqlStoreName,
  type StoreName,
  storeTitle,
} from "./migration.ts";
import { assertFits, findBlockers, placesOf, type PlannedStore, type SavedPlan, select } from "./plan.ts";
import type { State } from "./state.ts";
import type { EngineContext } from "./stores.ts";

/** Something that happened while applying. */
export type ApplyEvent =
  /** Under the lock, before anything is changed: what will be, and where. */
  | { readonly event: "begin"; readonly ids: readonly string[]; readonly stores: readonly PlannedStore[] }
  | { readonly event: "start"; readonly id: string }
  | { readonly event: "progress"; readonly id: string; readonly progress: Progress }
  | {
    readonly event: "retry";
    readonly id: string;
    readonly attempt: number;
    readonly waitMs: number;
    readonly reason: string;
  }
  | { readonly event: "done" | "failed"; readonly id: string; readonly result: MigrationResult };

/** How {@linkcode Engine.apply} works. */
export interface ApplyOptions extends LockOptions, Pace {
  /** Loose IDs; undefined or empty for everything that is pending. */
  readonly ids?: readonly string[];
  /** A saved plan: exactly this is applied, or nothing. */
  readonly plan?: SavedPlan | undefined;
  /** Runs named Redis migrations again although they are applied. */
  readonly rerun?: boolean;
  /** Accepts records that cannot be converted: leaves them as they are, notes them, finishes. */
  readonly skipInvalid?: boolean;
  /** Told of everything that happens, in order. */
  readonly onEvent?: (event: ApplyEvent) => void;
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
  const before = chooseFrom(context, await read(), options);
  if (before.length === 0) return { results: [], doneByOther: false };
  return await withLock(context, "apply", options, async (locked) => {
    const { lock: { fence }, signal } = locked;
    await context.redis?.adopt({ signal, ...(fence === null ? {} : { fence }) });
    // Read again under the lock: while this run waited, another one may have done the work.
    const state = await read();
    const selected = chooseFrom(context, state, options);
    if (selected.length === 0) return { results: [], doneByOther: true };
    const blockers = await findBlockers(context, selected);
    if (blockers.length > 0) throw new BlockedError(blockers);
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
function chooseFrom(
  context: EngineContext,
  state: State,
  { ids = [], rerun = false, plan }: ApplyOptions,
): readonly MigrationEntry[] {
  if (plan !== undefined) assertFits(context, state, plan);
  const selected = select(ignoreRunning(state.entries), plan?.basis.selected ?? ids, { rerun });
  for (const [name, found] of state.sql) {
    if (selected.some(({ store }) => store === name)) assertSound(name, found);
  }
  return selected;
}

/** Under the lock nobody else runs, and before it a running migration is one to wait for: pending in both cases. */
function ignoreRunning(entries: readonly MigrationEntry[]): readonly MigrationEntry[] {
  return entries.map((entry) => (entry.status === "running" ? { ...entry, status: "pending" } : entry));
}

/** @throws {DirtyError | DriftError} When the SQL bookkeeping does not allow going on. */
function assertSound(store: SqlStoreName, state: SqlState): void {
  if (state.dirty) {
    throw new DirtyError(
      state.version,
      `Cannot apply ${
        storeTitle(store)
      } steps: another tool failed in the middle of version ${state.version} and left it dirty`,
      { hint: dirtyHint(state.version) },
    );
  }
  const [drift] = state.drift;
  if (drift !== undefined) {
    throw new DriftError(`Cannot apply ${storeTitle(store)} steps: ${state.drift.join("; ")}`, {
      hint: hint`Run ${"verify"}, and use the release that applied these steps`,
    });
  }
}

async function runAll(
  context: EngineContext,
  locked: Locked,
  selected: readonly MigrationEntry[],
  options: ApplyOptions,
): Promise<readonly MigrationResult[]> {
  const results = selected.map((entry) => notRun(entry.id));
  const run = async (entry: MigrationEntry) => await runOne(context, locked, entry, options, results);
  for (const [store, backend] of context.sql) {
    const steps = selected.filter((entry) => entry.store === store);
    await backend.handOver("up", steps.map(({ version }) => version), async (version) => {
      await run(steps.find((entry) => entry.version === version)!);
    });
  }
  for (const entry of selected.filter(({ store }) => store === "redis")) await run(entry);
  return results;
}

/** Runs one and enters the result. @throws {ApplyError} When it could not be finished. */
async function runOne(
  context: EngineContext,
  locked: Locked,
  entry: MigrationEntry,
  options: ApplyOptions,
  results: MigrationResult[],
): Promise<void> {
  locked.signal.throwIfAborted();
  locked.lock.report({ migration: entry.id, progress: null });
  options.onEvent?.({ event: "start", id: entry.id });
  const startedAt = performance.now();
  const enter = (result: MigrationResult) => {
    results[results.findIndex(({ id }) => id === entry.id)] = result;
    return result;
  };
  try {
    enter(
      entry.store === "redis"
        ? await runRedis(context, locked, entry, options)
        : await runSql(entry.store, locked, entry, options, startedAt),
    );
  } catch (error) {
    const durationMs = performance.now() - startedAt;
    const issues = [toldError(error)];
    const result = enter({ ...notRun(entry.id), outcome: "failed", durationMs, issues });
    if (error instanceof InterruptedError || error instanceof LockLostError || locked.signal.aborted) {
      throw error;
    }
    options.onEvent?.({ event: "failed", id: entry.id, result });
    throw failure(entry.id, results, error);
  }
  const result = results.find(({ id }) => id === entry.id)!;
  const failed = result.outcome === "failed";
  options.onEvent?.({ event: failed ? "failed" : "done", id: entry.id, result });
  // What comes later builds on this one: recorded as applied, it would be wrong about the records that are missing.
  if (failed) throw failure(entry.id, results, undefined);
}

async function runSql(
  store: SqlStoreName,
  { lock, runStep }: Locked,
  entry: MigrationEntry,
  options: ApplyOptions,
  startedAt: number,
): Promise<MigrationResult> {
  await runStep(store, entry.version, (session, guard) =>
    session.up(entry.version, {
      ...guard,
      onRetry: (attempt, waitMs, reason) =>
        options.onEvent?.({ event: "retry", id: entry.id, attempt, waitMs, reason }),
      onStatement: (index, count) =>
        lock.report({ migration: entry.id, progress: `statement ${index + 1} of ${count}` }),
    }));
  return { ...notRun(entry.id), outcome: "applied", durationMs: performance.now() - startedAt };
}

async function runRedis(
  context: EngineContext,
  { lock, signal }: Locked,
  entry: MigrationEntry,
  options: ApplyOptions,
): Promise<MigrationResult> {
  return await context.redis!.apply(entry.id, {
    signal,
    ...(lock.fence === null ? {} : { fence: lock.fence }),
    rerun: options.rerun ?? false,
    skipInvalid: options.skipInvalid ?? false,
    maxRate: options.maxRate,
    batchSize: options.batchSize,
    onProgress: (progress) => {
      const of = progress.total === null ? "" : ` of ${progress.total}`;
      lock.report({ migration: entry.id, progress: `${progress.processed}${of} records` });
      options.onEvent?.({ event: "progress", id: entry.id, progress });
    },
  });
}

function notRun(id: string): MigrationResult {
  return {
    id,
    outcome: "not_run",
    processed: 0,
    failed: 0,
    skipped: 0,
    conflicts: 0,
    durationMs: 0,
    issues: [],
  };
}

function failure(id: string, results: readonly MigrationResult[], cause: unknown): ApplyError {
  const { failed, issues } = results.find((result) => result.id === id)!;
  if (cause === undefined && failed === 0) {
    return new ApplyError(`${id} was stopped: ${issues[0]}`, results, {
      hint: hint`Remove the cause and run ${"apply"} again: what is done stays done`,
    });
  }
  return new ApplyError(
    cause instanceof Error
      ? issues[0]!
      : `${id} is done but for ${
        failed === 1 ? "one record" : `${failed} records`
      } that it could not convert`,
    results,
    {
      ...(cause === undefined ? {} : { cause }),
      hint: cause instanceof Error
        ? hint`Nothing of this step was kept. Remove the cause and run ${"apply"} again`
        : hint`Repair the records named and run ${"apply"} again, or accept them as they are with ${"apply --skip-invalid"}`,
    },
  );
}
