/**
 * Deletes what applied migrations left behind, once proven to exist elsewhere.
 *
 * @module
 */

import {
  type CleanupResult,
  type MigrationEntry,
  type Pace,
  presentStores,
  type Progress,
} from "./migration.ts";
import type { RedisRunOptions } from "./redis_backend.ts";
import { NotVerifiedError } from "./errors.ts";
import { type Hint, hint } from "./hint.ts";
import type { LockOptions } from "./lock/lock.ts";
import { withLock } from "./lock/with_lock.ts";
import type { State } from "./state.ts";
import type { EngineContext, Stores } from "./stores.ts";
import { readUntilStopped } from "./until_stopped.ts";
import { verify } from "./verify.ts";

/** How {@linkcode Engine.cleanup} works. */
export interface CleanupOptions extends LockOptions, Pace {
  /** Skips the verification beforehand; never the proof of each record. @default {false} */
  readonly force?: boolean | undefined;
  /** Told now and then, of Redis migrations alone. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** How {@linkcode Engine.planCleanup} counts. */
export interface PlanCleanupOptions extends Omit<CleanupOptions, "force" | "waitMs" | "onWait"> {
  /** The migration that is meant, which must be applied then; the others are counted too. */
  readonly id?: string | undefined;
  /** Stops at the first original of a Redis migration, and counts it alone. @default {false} */
  readonly any?: boolean | undefined;
}

/** What there is to clean up. */
export interface CleanupPlan {
  /** One for each migration that left something behind. */
  readonly items: readonly CleanupItem[];
}

/** What one migration left behind. */
export interface CleanupItem {
  /** What {@linkcode Engine.cleanup} takes, for example `redis/001_hash_tags`. */
  readonly id: string;
  /** For example `001_hash_tags`. */
  readonly name: string;
  /** Records or rows. */
  readonly count: number;
  /** What they are, for people. */
  readonly detail: string;
}

/**
 * Counts what each applied migration left behind; migrations that leave nothing are not listed.
 *
 * @throws {NotVerifiedError} When the one that `id` names is not applied.
 */
export async function planCleanup(
  stores: Stores,
  state: State,
  { id, ...options }: PlanCleanupOptions,
): Promise<CleanupPlan> {
  if (id !== undefined) assertApplied(state, id);
  const items: CleanupItem[] = [];
  for (const entry of state.entries.filter(({ status }) => status === "applied")) {
    const left = await countLeft(stores, entry, options);
    if (left !== null) items.push({ id: entry.id, name: entry.name, ...left });
  }
  return { items };
}

async function countLeft(
  stores: Stores,
  entry: MigrationEntry,
  options: PlanCleanupOptions,
): Promise<{ readonly count: number; readonly detail: string } | null> {
  if (entry.store === "redis") {
    const { any = false } = options;
    const count = await stores.redis!.planCleanup(entry.id, { ...runOptions(options, options.signal), any });
    return count === null ? null : { count, detail: "original keys" };
  }
  const left = await stores.sql.get(entry.store)!.planCleanup(entry.version);
  return left === null ? null : { count: left.rows, detail: left.detail };
}

/**
 * The rule of cleanup: what left something behind has to be applied, and to verify.
 *
 * @throws {NotVerifiedError} When one of the migrations is not, or does not.
 */
export async function assertCleanable(
  stores: Stores,
  state: State,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const id of ids) assertApplied(state, id);
  const result = await verify(stores, state, { ids, ...(signal === undefined ? {} : { signal }) });
  if (result.ok) return;
  const sql = presentStores(result).map(([, found]) => found);
  const issues = [...sql, ...result.redis].flatMap((found) => found.issues);
  throw new NotVerifiedError(
    `Cannot clean up after ${ids.join(", ")}: it does not verify: ${issues.slice(0, 3).join("; ")}`,
    { hint: LOOK_FIRST },
  );
}

const LOOK_FIRST: Hint = {
  ...hint`Look at ${"verify --full"}; ${"cleanup --force"} skips this check, never the proof of each record`,
  forCallers:
    "Look at verify({ full: true }); cleanup(id, { force: true }) skips this check, never the proof of each record",
};

function assertApplied(state: State, id: string): MigrationEntry {
  const entry = state.entries.find((known) => known.id === id)!;
  if (entry.status === "applied" || entry.status === "not_applicable") return entry;
  throw new NotVerifiedError(
    `Cannot clean up after ${id}: it is ${entry.status}, and the originals are needed until it is applied`,
    { hint: hint`Apply it first: ${"apply"}` },
  );
}

/** Cleans up after one migration. See {@linkcode Engine.cleanup} for the errors. */
export async function cleanup(
  context: EngineContext,
  read: () => Promise<State>,
  id: string,
  options: CleanupOptions,
): Promise<CleanupResult> {
  if (options.force !== true) {
    const state = await read();
    await readUntilStopped(options.signal, assertCleanable(context, state, [id], options.signal));
  }
  return await withLock(context, "cleanup", options, async ({ lock, sessions, signal }) => {
    const entry = assertApplied(await read(), id);
    lock.report({ migration: id, progress: null });
    if (entry.store === "redis") {
      return await context.redis!.cleanup(id, {
        ...runOptions(options, signal),
        ...(lock.fence === null ? {} : { fence: lock.fence }),
      });
    }
    const deleted = await sessions.get(entry.store)!.cleanup(entry.version, {
      signal,
      beforeCommit: () => lock.confirm(),
    });
    return { id, deleted, kept: 0, issues: [] };
  });
}

function runOptions(options: CleanupOptions, signal: AbortSignal | undefined): RedisRunOptions {
  return {
    signal: signal ?? new AbortController().signal,
    maxRate: options.maxRate,
    batchSize: options.batchSize,
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  };
}
