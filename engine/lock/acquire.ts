/**
 * Takes the lock over both stores, keeps it with heartbeats, and gives it back.
 *
 * Order: the lease in Redis, the older tools' names, the SQL sessions as given; released the other way round. What is
 * taken stays taken while a later part is waited for, and heartbeats keep it: so a runner that waits for a migration tool
 * without Redis is not overtaken, and it may end the session of a predecessor whose lease ran out. Nobody waits inside a
 * server, and all take the parts in the same order: no two runners can wait for each other.
 *
 * @module
 */

import type { SqlLock } from "../sql_backend.ts";
import { InterruptedError, LockHeldError, LockLostError } from "../errors.ts";
import { describeOwner } from "./describe_owner.ts";
import type { Fence, HeldLock, LockOptions, LockOwner, StepGuard } from "./lock.ts";
import { LockGroup } from "./lock_group.ts";
import { LEASE_MS, type LockSettings } from "./lock_settings.ts";
import { hint } from "../hint.ts";
import { pause } from "../pause.ts";
import { runAll } from "../settle_all.ts";
import { RedisLease } from "../redis/lock/lease.ts";
import type { LeaseOwner } from "../redis/lock/lease_value.ts";
import { within } from "../within.ts";

/** How the lock is taken. */
export interface AcquireOptions extends LockSettings, LockOptions {
  /**
   * The connections that will run SQL steps, each with its half of the lock. Giving the lock back, or failing to get it,
   * disposes them; so disposing them twice must be harmless.
   */
  readonly sessions: readonly SqlLock[];
  /** Who takes it, for others to see. */
  readonly owner: LeaseOwner;
  /** Pause between heartbeats in milliseconds. @default {ttlMs / 6} */
  readonly heartbeatMs?: number;
}

/** The first pause between two tries, in milliseconds; each is half as long again as the one before. */
const FIRST_PAUSE_MS = 50;

/** The longest pause between two tries: short enough that fifty runners one after the other lose no time. */
const LONGEST_PAUSE_MS = 1000;

/**
 * Takes the lock. Whatever it took is given back when it fails midway.
 *
 * @returns The lock in hand, kept by heartbeats until it is disposed.
 * @throws {LockHeldError} When somebody else held it for all of `waitMs`; `owner` tells who.
 * @throws {InterruptedError} When the signal fires while waiting.
 * @throws {LockLostError} When a part was lost while a later one was waited for.
 * @throws {StoreUnreachableError} When Redis does not answer.
 */
export async function acquireLock(options: AcquireOptions): Promise<HeldLock> {
  const lock = new Lock(options);
  try {
    await lock.take();
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

class Lock implements HeldLock {
  readonly #options: AcquireOptions;
  readonly #ttlMs: number;
  readonly #lease: RedisLease | null;
  readonly #loss = new AbortController();
  /** Fires for every loss but that of a lease in a Redis that is silent. */
  readonly #taken = new AbortController();
  readonly #held: SqlLock[] = [];
  readonly #startedAt = performance.now();
  readonly #group: LockGroup;
  #endBeat = () => {};
  readonly #pinging = new Set<SqlLock>();
  #step: Promise<void> | null = null;
  #released: Promise<void> | undefined;

  constructor(options: AcquireOptions) {
    this.#options = options;
    this.#ttlMs = options.ttlMs ?? LEASE_MS;
    this.#group = options.beside?.group ?? new LockGroup();
    this.#lease = options.redis === null ? null : new RedisLease({
      names: options.redis.names,
      connection: this.#group.connect(options.redis.client, this.#ttlMs / 4),
      owner: options.owner,
      ttlMs: this.#ttlMs,
      onLost: (error, silent) => silent ? this.#loss.abort(error) : this.#lose(error),
    });
  }

  get signal(): AbortSignal {
    return this.#loss.signal;
  }

  get fence(): Fence | null {
    return this.#lease?.fence ?? null;
  }

  async take(): Promise<void> {
    const lease = this.#lease;
    this.#endBeat = this.#group.beat(this.#options.heartbeatMs ?? this.#ttlMs / 6, () => this.#beat());
    if (lease !== null) {
      await this.#try(() => lease.tryTake());
      await lease.establish();
    }
    for (const session of this.#options.sessions) {
      await this.#try(() => session.tryLock(lease?.token ?? null));
      this.#held.push(session);
    }
    await this.confirm();
  }

  async confirm(): Promise<void> {
    this.#loss.signal.throwIfAborted();
    await Promise.all([this.#lease?.confirm(), ...this.#held.map((session) => this.#ping(session))]);
    this.#loss.signal.throwIfAborted();
  }

  beginStep(session: { ping(): Promise<void> }): StepGuard {
    this.#loss.signal.throwIfAborted();
    let over = () => {};
    this.#step = new Promise<void>((resolve) => over = resolve);
    return {
      signal: this.#taken.signal,
      confirm: () => this.#confirmStep(session),
      end: () => {
        this.#step = null;
        over();
      },
    };
  }

  async stepOver(): Promise<void> {
    const { signal } = this.#taken;
    let abort = () => {};
    const aborted = new Promise<void>((resolve) => abort = resolve);
    signal.addEventListener("abort", abort, { once: true });
    if (!signal.aborted) await Promise.race([this.#step, aborted]);
    signal.removeEventListener("abort", abort);
  }

  /** The table locks are held by now: an answer of Redis that does not come is not waited for. */
  async #confirmStep(session: { ping(): Promise<void> }): Promise<void> {
    if (!this.#loss.signal.aborted) await this.#lease?.confirmNow();
    await this.#ping(session);
    this.#taken.signal.throwIfAborted();
  }

  report(state: { readonly migration: string | null; readonly progress: string | null }): void {
    this.#lease?.tell(state);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#released ??= this.#release();
  }

  /** Repeats a try until it finds the part free. */
  async #try(attempt: () => Promise<LockOwner | null>): Promise<void> {
    const { waitMs = 0, onWait, signal, beside } = this.#options;
    let goBack: (() => void) | undefined;
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
      this.#throwIfInterrupted();
      this.#loss.signal.throwIfAborted();
      const owner = await attempt();
      if (owner === null) return goBack?.();
      if (waitMs > 0) goBack ??= beside?.stepAside();
      const waitedMs = performance.now() - this.#startedAt;
      onWait?.(owner, waitedMs);
      const leftMs = waitMs - waitedMs;
      if (leftMs <= 0) throw heldError(owner, waitMs);
      // Jitter, so that runners that started together do not try together.
      await pause(
        Math.min(leftMs, pauseMs * (0.5 + Math.random())),
        AbortSignal.any([...(signal === undefined ? [] : [signal]), this.#loss.signal]),
      );
    }
  }

  #throwIfInterrupted(): void {
    const { signal } = this.#options;
    if (!signal?.aborted) return;
    if (signal.reason instanceof InterruptedError) throw signal.reason;
    throw new InterruptedError("Stopped while waiting for the lock: nothing was changed", {
      cause: signal.reason,
    });
  }

  async #beat(): Promise<void> {
    if (this.#released === undefined) { for (const session of this.#held) this.#pingAside(session); }
    // No answer is no loss yet: the lease says itself when its time is over.
    if (this.#lease?.begun) await this.#lease.heartbeat().catch(() => {});
    // A step that goes on without Redis still has to notice when its connection is gone.
    const needed = this.#step === null ? !this.#loss.signal.aborted : !this.#taken.signal.aborted;
    if (!needed) this.#endBeat();
  }

  /** Not awaited by the heartbeat: behind a long statement the answer may come late, and that is no loss. */
  #pingAside(session: SqlLock): void {
    if (this.#pinging.has(session)) return;
    this.#pinging.add(session);
    this.#ping(session).catch(() => {}).finally(() => this.#pinging.delete(session));
  }

  async #ping(session: { ping(): Promise<void> }): Promise<void> {
    try {
      await session.ping();
    } catch (error) {
      if (this.#released !== undefined) throw error;
      const lost = error instanceof LockLostError ? error : new LockLostError(
        "Lost the lock: the connection that held it in the SQL database is gone",
        { cause: error, hint: "Run the same command again: it continues where this one stopped" },
      );
      this.#lose(lost);
      throw lost;
    }
  }

  #lose(error: LockLostError): void {
    this.#taken.abort(error);
    this.#loss.abort(error);
  }

  /** The last taken first, whatever fails in between. Heartbeats keep the lease until the SQL sessions are gone. */
  async #release(): Promise<void> {
    await runAll([
      ...this.#options.sessions.toReversed().map((session) => () =>
        within(DISPOSE_MS, session[Symbol.asyncDispose](), () => {})
      ),
      () => this.#endBeat(),
      () => this.#lease?.release(),
    ]);
  }
}

/** How long a session may take to end, in milliseconds. A server that hangs must not keep the lease from being given back. */
const DISPOSE_MS = 10_000;

function heldError(owner: LockOwner, waitMs: number): LockHeldError {
  const waited = waitMs > 0 ? ` after waiting for ${Math.round(waitMs / 100) / 10} s` : "";
  return new LockHeldError(`Cannot take the lock${waited}: ${describeOwner(owner)}`, owner, {
    hint: owner.alive
      ? hint`Wait until it is done; ${"status"} shows how far it is`
      : hint`Its holder seems dead: the lock ends by itself soon, or ${"unlock"} clears it`,
  });
}
