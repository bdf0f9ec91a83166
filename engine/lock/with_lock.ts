/**
 * Runs work under the one lock: opens the connections, takes both halves, and gives everything back on every path out.
 *
 * @module
 */

import type { SqlRunOptions, SqlSession } from "../sql_backend.ts";
import { InterruptedError } from "../errors.ts";
import type { SqlStoreName } from "../migration.ts";
import type { BySqlStore, EngineContext } from "../stores.ts";
import { acquireLock } from "./acquire.ts";
import { LazySession } from "./lazy_session.ts";
import type { HeldLock, LockOptions } from "./lock.ts";
import { LOCK_WAIT_MS } from "./lock_settings.ts";
import { untilLost } from "./until_lost.ts";

/** A step under way, with what its session is to be told. */
export interface BegunStep extends Pick<SqlRunOptions, "signal" | "beforeCommit"> {
  readonly session: SqlSession;
  /** To be called when the step is over, however it ended. */
  readonly end: () => void;
}

/** What the work gets. */
export interface Locked {
  readonly lock: HeldLock;
  /** The connections for writing. */
  readonly sessions: BySqlStore<SqlSession>;
  /**
   * Begins one step, up or down. One that began in Postgres comes to its end by the advisory lock alone while Redis is silent; what
   * comes after it finds {@linkcode Locked.signal} aborted.
   */
  readonly beginStep: (store: SqlStoreName, version: number) => BegunStep;
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
  { sql, lock: settings, version }: Pick<EngineContext, "sql" | "lock" | "version">,
  command: string,
  options: LockOptions,
  work: (locked: Locked) => Promise<T>,
): Promise<T> {
  const caller = interruption(options.signal);
  const locks = [...sql].map(([name, backend]) => [name, new LazySession(backend)] as const);
  // Disposing the lock, or failing to get it, ends the sessions too.
  const lock = await acquireLock({
    ...settings,
    sessions: locks.map(([, lazy]) => lazy),
    owner: { ...settings.owner, version, command },
    waitMs: options.waitMs ?? LOCK_WAIT_MS,
    ...(options.onWait === undefined ? {} : { onWait: options.onWait }),
    signal: caller,
  });
  const sessions = new Map(locks.map(([name, lazy]) => [name, lazy.opened]));
  const signal = AbortSignal.any([caller, lock.signal]);
  const beginStep = (store: SqlStoreName, version: number): BegunStep => {
    const session = sessions.get(store)!;
    if (!session.guards(version)) return { session, signal, beforeCommit: () => lock.confirm(), end() {} };
    const { signal: taken, confirm, end } = lock.beginStep(session);
    return { session, signal: AbortSignal.any([caller, taken]), beforeCommit: confirm, end };
  };
  let result: T;
  try {
    result = await untilLost(lock, work({ lock, sessions, beginStep, signal }));
  } catch (error) {
    // What went wrong with the work says more than what may go wrong with giving the lock back.
    await Promise.allSettled([lock[Symbol.asyncDispose]()]);
    // Whatever broke, a lost lock is the reason that matters: the caller must know that somebody else may be at work.
    throw lock.signal.aborted ? lock.signal.reason : error;
  }
  await lock[Symbol.asyncDispose]();
  return result;
}

/** The caller's signal with an error of this engine as its reason. */
function interruption(signal: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const abort = () =>
    controller.abort(
      new InterruptedError("Stopped on request, after the batch in hand", {
        hint: "Run the same command again: it continues where this one stopped",
      }),
    );
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return controller.signal;
}
