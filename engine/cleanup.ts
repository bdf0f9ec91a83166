/**
 * Deletes what applied migrations left behind, once proven to exist elsewhere.
 *
 * @module
 */

import type { CleanupResult, RedisRunOptions } from "./backend.ts";
import { RefusedError } from "./errors.ts";
import type { LockOptions } from "./lock/lock.ts";
import { withLock } from "./lock/with_lock.ts";
import type { MigrationEntry, Pace, Progress } from "./migration.ts";
import type { State } from "./state.ts";
import type { EngineContext, Stores } from "./stores.ts";
import { verify } from "./verify.ts";

/** How {@linkcode Engine.cleanup} works. */
export interface CleanupOptions extends LockOptions, Pace {
  /** Skips the verification beforehand; never the proof of each record. @default {false} */
  readonly force?: boolean;
  /** Told now and then, of Redis migrations alone. */
  readonly onProgress?: (progress: Progress) => void;
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

/** Counts what each applied migration left behind; migrations that leave nothing are not listed. */
export async function planCleanup(
  context: Stores,
  state: State,
  options: CleanupOptions,
): Promise<CleanupPlan> {
  const items: CleanupItem[] = [];
  for (const entry of state.entries.filter(({ status }) => status === "applied")) {
    const left = await countLeft(context, entry, options);
    if (left !== null) items.push({ id: entry.id, name: entry.name, ...left });
  }
  return { items };
}

async function countLeft(
  context: Stores,
  entry: MigrationEntry,
  options: CleanupOptions,
): Promise<{ readonly count: number; readonly detail: string } | null> {
  if (entry.store === "redis") {
    const count = await context.redis!.planCleanup(entry.id, runOptions(options, options.signal));
    return count === null ? null : { count, detail: "original keys" };
  }
  const left = await context.sql.get(entry.store)!.planCleanup(entry.version);
  return left === null ? null : { count: left.rows, detail: left.detail };
}

/** Cleans up after one migration. See {@linkcode Engine.cleanup} for the errors. */
export async function cleanup(
  context: EngineContext,
  read: () => Promise<State>,
  id: string,
  options: CleanupOptions,
): Promise<CleanupResult> {
  const state = await read();
  assertApplied(find(state, id));
  if (!(options.force ?? false)) await assertVerified(context, state, id, options);
  return await withLock(context, "cleanup", options, async ({ lock, sessions, signal }) => {
    const entry = find(await read(), id);
    assertApplied(entry);
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

function find(state: State, id: string): MigrationEntry {
  return state.entries.find((entry) => entry.id === id)!;
}

function assertApplied({ id, status }: MigrationEntry): void {
  if (status === "applied") return;
  throw new RefusedError(
    `Cannot clean up after ${id}: it is ${status}, and the originals are needed until it is applied`,
    {
      hint: "Run migrate apply first",
    },
  );
}

async function assertVerified(
  context: EngineContext,
  state: State,
  id: string,
  options: CleanupOptions,
): Promise<void> {
  const result = await verify(context, state, {
    ids: [id],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (result.ok) return;
  const issues = [
    ...(result.postgres?.issues ?? []),
    ...(result.clickhouse?.issues ?? []),
    ...result.redis.flatMap((r) => r.issues),
  ];
  throw new RefusedError(
    `Cannot clean up after ${id}: it does not verify: ${issues.slice(0, 3).join("; ")}`,
    {
      hint: "Look at migrate verify --full; --force skips this check, never the proof of each record",
    },
  );
}
