/**
 * Runs work under the one lock: opens the connections, takes both halves, and gives everything back on every path out.
 *
 * @module
 */

import type { SqlSession } from "../backend.ts";
import { InterruptedError } from "../errors.ts";
import { LazySession } from "./lazy_session.ts";
import { acquireLock } from "./acquire.ts";
import type { HeldLock, LockOwner } from "./lock.ts";
import { untilLost } from "./until_lost.ts";
import type { Ioredis } from "../redis/client.ts";
import type { RedisLockNames } from "../redis/lock/lease.ts";
import type { Backends } from "../state.ts";

/** How the lock is taken. */
export interface LockSettings {
  /** Null for an engine without Redis: then the SQL stores' half is the whole lock. */
  readonly redis: { readonly client: Ioredis; readonly names: RedisLockNames } | null;
  /** Who takes it, for others to see. */
  readonly holder: { readonly host: string; readonly pid: number };
  /** Lease in milliseconds; a dead holder frees the lock within this time. @default {30000} */
  readonly ttlMs?: number;
}

/** What every command that takes the lock accepts. */
export interface LockRun {
  /** Ends the work after the batch in hand. */
  readonly signal?: AbortSignal;
  /** How long to wait for the lock, in milliseconds; 0 fails at once. @default {60000} */
  readonly waitMs?: number;
  /** Told now and then whom it waits for, and since when in milliseconds. */
  readonly onWait?: (owner: LockOwner | null, waitedMs: number) => void;
}

/** What the work gets. */
export interface Locked {
  readonly lock: HeldLock;
  /** Parallel to {@linkcode Backends.sql}. */
  readonly sessions: readonly SqlSession[];
  /** Fires when the caller wants to stop or the lock is lost. Its reason is an error of this engine. */
  readonly signal: AbortSignal;
}

/**
 * Takes the lock, works, and releases it.
 *
 * @param command What others are told is being done, for example `apply`.
 * @throws {LockHeldError} When it is not free within `waitMs`.
 * @throws {LockLostError} When it is lost on the way.
 * @throws {InterruptedError} When the signal fires.
 */
export async function withLock<T>(
  options: Backends & { readonly lock: LockSettings; readonly version: string },
  command: string,
  run: LockRun,
  work: (locked: Locked) => Promise<T>,
): Promise<T> {
  const caller = interruption(run.signal);
  await using stack = new AsyncDisposableStack();
  const sessions: SqlSession[] = options.sql.map((backend) => stack.use(new LazySession(backend)));
  const lock = stack.use(
    await acquireLock({
      redis: options.lock.redis,
      sessions,
      owner: { ...options.lock.holder, version: options.version, command },
      ttlMs: options.lock.ttlMs ?? 30_000,
      waitMs: run.waitMs ?? 60_000,
      ...(run.onWait === undefined ? {} : { onWait: run.onWait }),
      signal: caller,
    }),
  );
  const signal = AbortSignal.any([caller, lock.signal]);
  try {
    return await untilLost(lock, work({ lock, sessions, signal }));
  } catch (error) {
    // Whatever broke, a lost lock is the reason that matters: the caller must know that somebody else may be at work.
    if (lock.signal.aborted) throw lock.signal.reason;
    throw error;
  }
}

/** The caller's signal with an error of this engine as its reason. */
function interruption(signal: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const abort = () =>
    controller.abort(
      new InterruptedError("Stopped on request, after the batch in hand", {
        hint: "Run the same command again: it continues where it was",
      }),
    );
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return controller.signal;
}
