/**
 * One lock over both stores. In Redis it is a lease with a heartbeat, in a SQL store what {@linkcode SqlLock.tryLock}
 * takes on the connection that runs the steps. Taken in this order, released in the other.
 *
 * @module
 */

/** Who holds the lock. What cannot be told is null. */
export interface LockOwner {
  /** The host it runs on. */
  readonly host: string | null;
  /** Process ID on that host. */
  readonly pid: number | null;
  /** Version of the program. */
  readonly version: string | null;
  /** The command, for example `apply`. */
  readonly command: string | null;
  /** ID of the migration at work. */
  readonly migration: string | null;
  /** How far it is, for people. */
  readonly progress: string | null;
  /** When the lock was taken. */
  readonly acquiredAt: Date | null;
  /** When it was last renewed. */
  readonly heartbeatAt: Date | null;
  /** Where it was seen: the name of a key, or `postgres` for an advisory lock. */
  readonly source: string;
  /** False when its lease ran out or its heartbeat stopped. */
  readonly alive: boolean;
}

/** What every command that takes the lock accepts. */
export interface LockOptions {
  /** Ends the work after the batch in hand. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the lock, in milliseconds; 0 fails at once. @default {60000} */
  readonly waitMs?: number | undefined;
  /** Told now and then whom it waits for, and since when in milliseconds. */
  readonly onWait?: ((owner: LockOwner | null, waitedMs: number) => void) | undefined;
}

/** Names of the lock in Redis, given by the application. */
export interface RedisLockNames {
  /** The lock itself. */
  readonly lock: string;
  /** Names that older tools use for the same lock: held too, and honoured. */
  readonly older: readonly string[];
  /**
   * Names that older tools use for all installations in one Redis: kept from them while any run is at work. Runs of this tool hold
   * them together, and one whose user may not touch them does without. @default {none}
   */
  readonly shared?: readonly string[] | undefined;
  /** What the names of fence keys begin with. */
  readonly fence: string;
}

/** Proof, checked by the server within every write, that the lock is still this run's. */
export interface Fence {
  /** The fencing token: unique to this run. */
  readonly token: string;
  /**
   * The keys that hold the token as bytes, a character for each, one on each master, established and confirmed. A write script compares the one on the
   * node it runs on and refuses when it is missing or holds another token.
   *
   * @throws {LockLostError} When the lock is no longer this run's.
   */
  keys(): Promise<readonly string[]>;
  /**
   * Called when a script was refused: finds out whether the lock is lost, or only a master changed and needs its key.
   *
   * @throws {LockLostError} When the lock is no longer this run's.
   */
  renew(): Promise<void>;
}

/** One step of a SQL store, from its begin to its end. */
export interface StepGuard {
  /** Aborts with a {@linkcode LockLostError} as its reason when the step may not come to its end any more. */
  readonly signal: AbortSignal;
  /**
   * Asks, now, whether it still may.
   *
   * @throws {LockLostError} When not.
   */
  confirm(): Promise<void>;
  /** To be called when the step is over, however it ended. */
  end(): void;
}

/** The lock in hand. Dispose releases it, on every path out; disposing twice is harmless. */
export interface HeldLock extends AsyncDisposable {
  /** Aborts with a {@linkcode LockLostError} as its reason as soon as the loss is noticed. */
  readonly signal: AbortSignal;
  /** Null when the run does without Redis. */
  readonly fence: Fence | null;
  /**
   * Asks the stores, now, whether the lock is still held.
   *
   * @throws {LockLostError} When it is not.
   */
  confirm(): Promise<void>;
  /**
   * Begins a step on a session that guards it by itself: no other runner can change that store while the session lives. While
   * Redis is silent, the lease may run out and the step goes on; in a Redis that answers, the lock must still be this run's.
   *
   * @param session One of those that the lock was taken with.
   * @throws {LockLostError} When the lock is lost already.
   */
  beginStep(session: { ping(): Promise<void> }): StepGuard;
  /** Resolves when no such step is under way, or when it may not go on. */
  stepOver(): Promise<void>;
  /** Says what is being done, for others to see with the next heartbeat. */
  report(state: { readonly migration: string | null; readonly progress: string | null }): void;
}
