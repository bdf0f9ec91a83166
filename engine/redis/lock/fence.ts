/**
 * Fencing in Redis: on every master a short key that holds the token of the run at work. Write scripts compare it on the
 * node that they write to, in the same atomic step; the lock's own key may be on another node, which a script cannot read.
 *
 * Why a runner that was paused past its lease changes nothing when it wakes, with T as the length of the lease:
 *
 * 1. The key of a master lives T/2. It is prolonged in numbered rounds, only while it exists and holds the token. A
 *    round is executed once however often its command arrives, for the server keeps the number. Round k+1 is sent only
 *    after the lease was prolonged by a command that itself was sent after the success of round k was known.
 * 2. Hence: let round k be executed at e(k). The lease was prolonged after e(k) before round k+1 was sent, so it
 *    lives longer than e(k) + T. Round k+1 is executed at e(k) + T/2 at the latest, or the key is gone; so the key ends
 *    at e(k) + T at the latest. It never outlives the lease, however the runner is paused between any two of its steps
 *    and however late a command arrives. As long as it lives, nobody else holds the lease.
 * 3. A key that is missing (another master, moved slots, a failover) is created under a name that was never used
 *    before, and given to writers only after the lease was prolonged by a command sent later. A runner that is paused
 *    in between learns that the lease is lost; and its writers from before the pause know only the old name.
 * 4. When a failover loses the lock's key, 2. does not hold: two runners hold a lease for a moment. Therefore a pointer
 *    of a fixed name on each master tells the key in use, and who creates a key deletes the one that the pointer told:
 *    before the newer runner writes to a master, the older one can no longer write there.
 *
 * Time is the servers' throughout. The runner's clock counts only how long ago it sent something, and is one that nobody
 * sets. Servers keep the end of a key as a time of day, and replicas are told that time: a clock that is set back, or that
 * of a replica that takes over and is behind, lets a key live longer by as much as that. Then 2. does not hold, and 4. does:
 * whoever takes the lock next begins by deleting the older keys, on every master that answers, and on one that does not
 * before its first write there.
 *
 * @module
 */

import { type Binary, encodeText } from "../binary.ts";
import type { Ioredis } from "../client.ts";
import { THOUGH_FULL } from "../scripts/script.ts";
import { mastersOf } from "./masters.ts";

/**
 * Creates the key of one master, and takes over from whoever was there.
 * KEYS: 1 pointer, 2 the new key (same hash tag). ARGV: 1 token, 2 lifetime in ms. Returns 1.
 * The name in the pointer is deleted only if it is a key of this pointer, whatever somebody may have written there. A
 * command that arrives twice must not prolong the key, hence the first check. The comment lets Dragonfly delete a key that only
 * the pointer names.
 */
const ESTABLISH = `--!df flags=allow-undeclared-keys
${THOUGH_FULL}
local told = redis.call('GET', KEYS[1])
local old = told and string.match(told, '^(.*) %d+$')
if old == KEYS[2] then return 1 end
if old and string.sub(old, 1, #KEYS[1] + 1) == KEYS[1] .. ':' then redis.call('DEL', old) end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[1], KEYS[2] .. ' 0', 'PX', ARGV[2])
return 1`;

/**
 * Executes one round. KEYS: 1 pointer, 2 key. ARGV: 1 token, 2 lifetime in ms, 3 number of the round.
 * Returns 1 when the round is done, by this or an earlier arrival of the command; 0 when the key is not there any more.
 */
const PROLONG = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local told = redis.call('GET', KEYS[1])
if told == KEYS[2] .. ' ' .. ARGV[3] then return 1 end
if told ~= KEYS[2] .. ' ' .. (ARGV[3] - 1) then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], KEYS[2] .. ' ' .. ARGV[3], 'PX', ARGV[2])
return 1`;

/** Gives a key back. KEYS: 1 pointer, 2 key. ARGV: 1 token. Returns how many keys were deleted. */
const ABANDON = `
local told = redis.call('GET', KEYS[1])
local count = 0
if told and string.match(told, '^(.*) %d+$') == KEYS[2] then count = redis.call('DEL', KEYS[1]) end
if redis.call('GET', KEYS[2]) == ARGV[1] then count = count + redis.call('DEL', KEYS[2]) end
return count`;

/** Deletes whatever key is in use on one master. KEYS: 1 pointer. Returns how many keys were deleted. */
const BREAK = `--!df flags=allow-undeclared-keys
local told = redis.call('GET', KEYS[1])
local old = told and string.match(told, '^(.*) %d+$')
local count = redis.call('DEL', KEYS[1])
if old and string.sub(old, 1, #KEYS[1] + 1) == KEYS[1] .. ':' then count = count + redis.call('DEL', old) end
return count`;

/** A key as it is known to be on one master. Immutable, so that a late answer cannot change what was confirmed. */
export interface FenceKey {
  /** ID of the master. */
  readonly master: string;
  readonly pointer: string;
  readonly name: string;
  /** The last round that was executed. */
  readonly round: number;
}

/** What one round of {@linkcode FenceKeys.prepare} achieved. */
export interface PreparedFence {
  /** Keys that are known to hold the token. Grows while answers arrive: copy it before the lease is prolonged. */
  readonly ready: FenceKey[];
  /** IDs of the masters, or null while that is not known. */
  masters: ReadonlySet<string> | null;
}

/** The keys of one run. The lease drives it: {@linkcode FenceKeys.prepare}, prolong the lease, {@linkcode FenceKeys.commit}. */
export class FenceKeys {
  readonly #connection: Ioredis;
  readonly #base: string;
  readonly #token: string;
  readonly #lifetimeMs: number;
  #current = new Map<string, FenceKey>();
  #generation = 0;
  /** Why a master was left out the last time. */
  failure: unknown = new Error("No master of Redis answered");

  /**
   * @param base What the names begin with.
   * @param ttlMs Length of the lease in milliseconds; the keys live half of it.
   */
  constructor(connection: Ioredis, base: string, token: string, ttlMs: number) {
    this.#connection = connection;
    this.#base = base;
    this.#token = token;
    this.#lifetimeMs = Math.floor(ttlMs / 2);
  }

  /** Names that writers may use now, as bytes. */
  names(): Binary[] {
    return [...this.#current.values()].map(({ name }) => encodeText(name));
  }

  /**
   * Prolongs the keys there are and creates those that are missing. A master that does not answer is left out and does
   * not fail the others.
   *
   * @param prepared Filled while answers arrive, so that the caller need not wait for the slowest.
   */
  async prepare(prepared: PreparedFence): Promise<void> {
    const masters = await mastersOf(this.#connection);
    prepared.masters = new Set(masters.map(({ id }) => id));
    const results = await Promise.allSettled(masters.map(async (master) => {
      const tag = await master.tag();
      prepared.ready.push(await this.#prolong(master.id, tag) ?? await this.#establish(master.id, tag));
    }));
    for (const result of results) if (result.status === "rejected") this.failure = result.reason;
  }

  /** Lets writers use the keys. To be called only after the lease was prolonged by a command sent after `ready` was read. */
  commit(ready: readonly FenceKey[], masters: ReadonlySet<string> | null): void {
    const next = new Map(this.#current);
    for (const key of ready) next.set(key.master, key);
    for (const id of next.keys()) if (masters !== null && !masters.has(id)) next.delete(id);
    this.#current = next;
  }

  /** Deletes the keys. A master that does not answer keeps its key for half a lease; nobody writes with it any more. */
  async release(): Promise<void> {
    const keys = [...this.#current.values()];
    this.#current = new Map();
    await Promise.allSettled(
      keys.map(({ pointer, name }) => this.#connection.eval(ABANDON, 2, pointer, name, this.#token)),
    );
  }

  async #prolong(id: string, tag: string): Promise<FenceKey | null> {
    const key = this.#current.get(id);
    if (key === undefined || key.pointer !== pointerName(this.#base, tag)) return null;
    const round = key.round + 1;
    const done = await this.#connection.eval(
      PROLONG,
      2,
      key.pointer,
      key.name,
      this.#token,
      this.#lifetimeMs,
      round,
    );
    return Number(done) === 1 ? { ...key, round } : null;
  }

  async #establish(id: string, tag: string): Promise<FenceKey> {
    const pointer = pointerName(this.#base, tag);
    const name = `${pointer}:${this.#token}:${++this.#generation}`;
    await this.#connection.eval(ESTABLISH, 2, pointer, name, this.#token, this.#lifetimeMs);
    return { master: id, pointer, name, round: 0 };
  }
}

/**
 * Deletes the fence keys of whoever has them, so that he writes nothing more.
 *
 * @returns How many keys were deleted.
 */
export async function breakFence(client: Ioredis, base: string): Promise<number> {
  const masters = await mastersOf(client);
  const counts = await Promise.all(
    masters.map(async (master) => client.eval(BREAK, 1, pointerName(base, await master.tag()))),
  );
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

function pointerName(base: string, tag: string): string {
  return `${base}:{${tag}}`;
}
