/**
 * The lock's half in Redis: a lease under the lock's name and under the names of older tools, prolonged by heartbeats, and
 * the fence that goes with it.
 *
 * All commands go over a connection of its own, so that a long batch cannot starve a heartbeat. Every command may be
 * executed late, twice or not at all without harm: taking, prolonging and giving back compare the token, and a command
 * whose answer does not come in time is simply tried again with the next heartbeat. The lease counts from the moment
 * that the successful command was sent, on a clock that nobody sets.
 *
 * @module
 */

import { LockLostError } from "../../errors.ts";
import type { Fence, LockOwner, RedisLockNames } from "../../lock/lock.ts";
import { pause } from "../../pause.ts";
import { within } from "../../within.ts";
import type { Ioredis } from "../client.ts";
import { FenceKeys, type PreparedFence } from "./fence.ts";
import { replyCode, senselessAnswer, watchFailures } from "../errors.ts";
import { isTaken, PROLONG, RELEASE, TAKE } from "./lease_scripts.ts";
import { LeaseTerm } from "./lease_term.ts";
import { decodeOwner, encodeLease, LEASE_BEGIN, type LeaseOwner, leasePrefix } from "./lease_value.ts";
import type { SharedConnection } from "./own_connection.ts";
import { reachable } from "./reachable.ts";

/** How long a step that holds tables waits for Redis, in milliseconds. */
const BRIEFLY_MS = 1000;

/** Pause before asking a server again that did not answer, in milliseconds. */
const RETRY_MS = 100;

/** What a lease needs to know. */
export interface LeaseOptions {
  /** Apart from that of the work; given back with the lease. */
  readonly connection: SharedConnection;
  readonly names: RedisLockNames;
  readonly owner: LeaseOwner;
  /** Length of the lease in milliseconds. */
  readonly ttlMs: number;
  /** Told once when the lease is lost; `silent` where Redis did not say so but said nothing for a whole lease. */
  readonly onLost: (error: LockLostError, silent: boolean) => void;
}

/** A lease being taken, held or given back. */
export class RedisLease {
  /** Unique to this run. */
  readonly token: string = crypto.randomUUID().replaceAll("-", "");
  /** What writers use. Its keys are there once {@linkcode RedisLease.heartbeat} succeeded. */
  readonly fence: Fence;
  readonly #connection: Ioredis;
  readonly #keys: FenceKeys;
  readonly #options: LeaseOptions;
  readonly #term: LeaseTerm;
  readonly #acquiredAt = new Date();
  readonly #shared: ReadonlySet<string>;
  #wanted: readonly string[];
  readonly #taken: string[] = [];
  #told: { readonly migration: string | null; readonly progress: string | null } = {
    migration: null,
    progress: null,
  };
  #closed = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#term = new LeaseTerm(options.ttlMs, options.onLost);
    const { lock, older, shared = [] } = options.names;
    this.#shared = new Set(shared);
    this.#wanted = [lock, ...older, ...shared];
    this.#connection = options.connection.client;
    this.#keys = new FenceKeys(this.#connection, options.names.fence, this.token, options.ttlMs);
    this.fence = {
      token: this.token,
      keys: async () => {
        this.#term.throwIfLost();
        if (this.#keys.names().length === 0) await this.#untilAnswered(() => this.heartbeat());
        if (this.#keys.names().length === 0) throw this.#keys.failure;
        return this.#keys.names();
      },
      renew: () => this.#untilAnswered(() => this.heartbeat()),
    };
  }

  /** True once the lock's own name is held: from then on heartbeats are due. */
  get begun(): boolean {
    return this.#taken.length > 0;
  }

  /** What the next heartbeat tells others. */
  tell(state: { readonly migration: string | null; readonly progress: string | null }): void {
    this.#told = state;
  }

  /**
   * Tries to take the names that are not held yet, in order. Those taken stay held, also when a later one is not free.
   *
   * @returns Null when all are held, else who holds the first that is not free.
   * @throws {LockLostError} When a name held since an earlier try was lost.
   * @throws {StoreUnreachableError | StoreDeniedError} When Redis does not answer, or refuses.
   */
  tryTake(): Promise<LockOwner | null> {
    return this.#patiently(() => this.#takeRest());
  }

  /**
   * The first heartbeat with all names held: sets up the fence.
   *
   * @throws {LockLostError} When a name was lost meanwhile.
   * @throws {StoreUnreachableError | StoreDeniedError} When no master answers, or refuses.
   */
  async establish(): Promise<void> {
    await this.#patiently(() => this.fence.keys());
  }

  async #takeRest(): Promise<LockOwner | null> {
    this.#term.throwIfLost();
    for (const name of this.#wanted.slice(this.#taken.length)) {
      const sentAt = performance.now();
      let answer: unknown;
      try {
        answer = await this.#ask(this.#connection.callBuffer("eval", [TAKE, 1, name, ...this.#lines(name)]));
      } catch (error) {
        if (!this.#shared.has(name) || replyCode(error) !== "NOPERM") throw error;
        // A user for this deployment alone: no tool that holds this name works for it.
        this.#wanted = this.#wanted.filter((wanted) => wanted !== name);
        continue;
      }
      if (!isTaken(answer)) throw senselessAnswer("EVAL");
      const [mine, value, ttlLeftMs] = answer;
      if (mine !== 1) return decodeOwner(value, ttlLeftMs, name);
      if (this.#taken.push(name) === 1) this.#term.begin(sentAt);
    }
    return null;
  }

  /** What the scripts are told of one name. */
  #lines(name: string): (string | number)[] {
    const together = this.#shared.has(name) ? LEASE_BEGIN : "";
    return [leasePrefix(this.token), this.#value(), this.#options.ttlMs, together];
  }

  /**
   * One heartbeat: the fence first, then every name. One at a time.
   *
   * @throws {LockLostError} When a name is no longer ours. Any other error means that no answer came: the lease may
   * still be held, and lives on until its time is over.
   */
  heartbeat(): Promise<void> {
    const beat = this.#queue.then(() => this.#beat());
    this.#queue = beat.catch(() => {});
    return beat;
  }

  /** Asks Redis whether every name is still ours. @throws {LockLostError} When not, or when no answer comes within the lease. */
  async confirm(): Promise<void> {
    await this.#untilAnswered(() => this.#confirmOnce(this.#options.ttlMs / 4));
  }

  /** The same, asked once and briefly: no answer says nothing. @throws {LockLostError} When Redis answers that it is lost. */
  async confirmNow(): Promise<void> {
    try {
      this.#term.throwIfLost();
      await this.#confirmOnce(Math.min(BRIEFLY_MS, this.#options.ttlMs / 4));
    } catch (error) {
      if (error instanceof LockLostError && !this.#term.silent) throw error;
    }
  }

  async #confirmOnce(patienceMs: number): Promise<void> {
    const values = await this.#ask(
      Promise.all(this.#taken.map((name) => this.#connection.get(name))),
      patienceMs,
    );
    const prefix = leasePrefix(this.token);
    for (const [i, value] of values.entries()) {
      const name = this.#taken[i]!;
      // Whoever held it for all may have given it back: the next heartbeat takes it.
      if (this.#shared.has(name) && (value === null || value?.startsWith(LEASE_BEGIN))) continue;
      if (!value?.startsWith(prefix)) this.#term.lose(`the lock ${name} is no longer this run's`);
    }
  }

  /**
   * Gives everything back, the last taken first. What cannot be reached is left to expire: a server that is gone must not
   * keep a finished run from ending.
   */
  async release(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#term.end();
    try {
      await this.#queue;
      await this.#ask(this.#keys.release());
      for (const name of this.#taken.toReversed()) {
        await this.#ask(this.#connection.eval(RELEASE, 1, name, leasePrefix(this.token)));
      }
    } catch {
      // Left to expire, see above.
    } finally {
      this.#options.connection.release();
    }
  }

  async #beat(): Promise<void> {
    this.#term.throwIfLost();
    if (this.#closed) return;
    const fenced = this.#taken.length === this.#wanted.length;
    const prepared: PreparedFence = { ready: [], masters: null };
    // A master that hangs must not keep the lease from being prolonged: what is ready in time counts.
    if (fenced) await this.#ask(this.#keys.prepare(prepared)).catch(() => {});
    const [ready, masters] = [[...prepared.ready], prepared.masters];
    const sentAt = performance.now();
    const answers = await this.#ask(Promise.all(
      this.#taken.map((name) => this.#connection.eval(PROLONG, 1, name, ...this.#lines(name))),
    ));
    const gone = answers.findIndex((answer) => Number(answer) !== 1);
    if (gone >= 0) this.#term.lose(`the lock ${this.#taken[gone]} is no longer this run's`);
    this.#term.begin(sentAt);
    if (fenced) this.#keys.commit(ready, masters);
  }

  /** Retries while there is no answer, until the lease is over: then it is lost whatever the server would say. */
  async #untilAnswered(attempt: () => Promise<void>): Promise<void> {
    while (true) {
      try {
        this.#term.throwIfLost();
        return await attempt();
      } catch (error) {
        if (error instanceof LockLostError) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  #value(): string {
    const { owner, ttlMs } = this.#options;
    return encodeLease(
      { ...owner, token: this.token, acquiredAt: this.#acquiredAt, ttlMs, ...this.#told },
      new Date(),
    );
  }

  #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    return reachable("Cannot take the lock", watchFailures(this.#connection), attempt);
  }

  /** Waits for an answer for a quarter of the lease: two such waits and a pause between heartbeats fit into one lease. */
  #ask<T>(answer: Promise<T>, patienceMs: number = this.#options.ttlMs / 4): Promise<T> {
    return within(patienceMs, answer, () => {
      throw new Error("Redis did not answer in time");
    });
  }
}
