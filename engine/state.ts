/**
 * What both stores say at this moment, read at once, without writing and without a lock.
 *
 * @module
 */

import type { RedisState } from "./redis_backend.ts";
import type { SqlState } from "./sql_backend.ts";
import type { Blocker } from "./blocker.ts";
import { DirtyError, DriftError, StoreHeldError } from "./errors.ts";
import { dirtyHint, hint, storeFlag } from "./hint.ts";
import { isPending, type MigrationEntry, type SqlStoreName, storeTitle } from "./migration.ts";
import type { LockOwner } from "./lock/lock.ts";
import { dirtyError } from "./sql/standing.ts";
import { UntrustedError } from "./untrusted_error.ts";
import { askEach, type BySqlStore, type Stores, together } from "./stores.ts";
import type { StopOptions } from "./until_stopped.ts";

/** How many migrations are pending on each side. ClickHouse counts as SQL. */
export interface PendingCounts {
  /** Steps of Postgres and ClickHouse. */
  readonly sql: number;
  /** Redis migrations. */
  readonly redis: number;
}

/** A store whose bookkeeping somebody holds: nothing of it is known. */
export interface UnreadStore {
  /** The store. */
  readonly store: SqlStoreName;
  /** Who holds what since when. */
  readonly message: string;
}

/** What to do without. */
export interface ReadStateOptions extends StopOptions {
  /** Leaves out a SQL store whose bookkeeping somebody holds, and names it, instead of failing. @default {false} */
  readonly unlessHeld?: boolean | undefined;
}

/** The same for plans, which say what stands in the way. */
export interface StateReading extends Omit<ReadStateOptions, "signal"> {
  /** Leaves out a SQL store whose bookkeeping cannot be trusted, and says so, instead of failing. @default {false} */
  readonly unlessUntrusted?: boolean | undefined;
}

/** What was read. */
export interface State {
  readonly sql: BySqlStore<SqlState>;
  readonly redis: RedisState | null;
  readonly lock: LockOwner | null;
  /** All migrations, SQL first, in version order, their status seen together with the lock. */
  readonly entries: readonly MigrationEntry[];
  readonly pending: PendingCounts;
  /** Stores that are missing from all this, where that was allowed. */
  readonly unread: readonly UnreadStore[];
  /** Why others are missing that cannot be trusted, where that was allowed. */
  readonly untrusted: readonly Blocker[];
}

/**
 * Reads all stores at once.
 *
 * @param readLock Tells who holds the lock; it is read after the bookkeeping, so that a run that ended meanwhile is not
 * taken for a crashed one.
 * @throws {StoreUnreachableError} When a store cannot be reached: an unreadable store is never "pending".
 */
export async function readState(
  stores: Stores,
  readLock: () => Promise<LockOwner | null>,
  { unlessHeld = false, unlessUntrusted = false }: StateReading = {},
): Promise<State> {
  const before = await readLock();
  const unread: UnreadStore[] = [];
  const untrusted: Blocker[] = [];
  const [answers, redis] = await together([
    askEach(stores.sql, (backend, store) =>
      backend.read().catch((error) => {
        if (unlessUntrusted && error instanceof UntrustedError) untrusted.push(...error.blockers);
        else if (unlessHeld && error instanceof StoreHeldError) {
          unread.push({ store, message: error.message });
        } else throw error;
        return null;
      })),
    stores.redis?.read() ?? null,
  ]);
  const sql = new Map(
    [...answers].flatMap(([name, state]) => state === null ? [] : [[name, state] as const]),
  );
  // Seen as held both before and after, or the bookkeeping may be of a run that has ended since.
  const lock = await readLock() ?? before;
  const entries = [...[...sql.values()].flatMap((state) => state.entries), ...(redis?.entries ?? [])]
    .map((entry) => seenWithLock(entry, lock));
  return { sql, redis, lock, entries, pending: countPending(entries), unread, untrusted };
}

/**
 * A run that began is `running` only while somebody alive holds the lock to apply; else it was cut off.
 *
 * Which migration is at work the lock tells with its next heartbeat only: until then the bookkeeping knows better.
 */
function seenWithLock(entry: MigrationEntry, lock: LockOwner | null): MigrationEntry {
  const alive = lock !== null && lock.alive;
  const applying = alive && (lock.command === "apply" || lock.command === null);
  const atWork = alive && lock.migration === entry.id;
  if (entry.status === "running" && !atWork && !applying) {
    return { ...entry, status: "failed", reason: "Its run was cut off; apply continues it" };
  }
  if (entry.status === "pending" && atWork) return { ...entry, status: "running", reason: null };
  return entry;
}

/** Counts what is pending, by side. */
export function countPending(entries: readonly MigrationEntry[]): PendingCounts {
  const pending = entries.filter((entry) => isPending(entry.status));
  const redis = pending.filter((entry) => entry.store === "redis").length;
  return { sql: pending.length - redis, redis };
}

/**
 * For whoever means all there is: a version that this program does not know has no entry, and nothing that is pending tells of it.
 *
 * @throws {DirtyError} When another tool failed in the middle of such a version.
 */
export function assertNoneDirtyAhead({ sql }: State): void {
  for (const [name, { dirty, ahead, version, latest }] of sql) {
    if (dirty && ahead) throw dirtyError(name, version, latest);
  }
}

/** @throws {DirtyError} When another tool failed in the middle of a version of a store: then nobody knows what is pending. */
export function assertClean(store: SqlStoreName, { sql }: State): void {
  const { dirty, version, latest } = sql.get(store)!;
  if (dirty) throw dirtyError(store, version, latest, storeFlag(store, sql));
}

/** @throws {DirtyError | DriftError} When the SQL bookkeeping does not allow going on. */
export function assertSound(store: SqlStoreName, { sql }: State): void {
  const state = sql.get(store)!;
  const flag = storeFlag(store, sql);
  if (state.dirty) {
    throw new DirtyError(
      state.version,
      `Cannot apply ${
        storeTitle(store)
      } steps: another tool failed in the middle of version ${state.version} and left it dirty`,
      { hint: dirtyHint(state.version, state.latest, flag) },
    );
  }
  const [drift] = state.drift;
  if (drift !== undefined) {
    throw new DriftError(`Cannot apply ${storeTitle(store)} steps: ${state.drift.join("; ")}`, {
      hint: state.misrecorded
        ? hint`See with ${"verify"} what the tables have of that version, and write down the one that is true: \
${`force ${state.version}${flag}`}, or another`
        : hint`Run ${"verify"}, and use the release that applied these steps`,
    });
  }
}
