/**
 * Reads who holds the lock in Redis, and clears it for good when its holder is dead. Neither needs a SQL database: the
 * advisory lock ends with its connection.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { describeOwner } from "./describe_owner.ts";
import { InterruptedError, LockHeldError, RefusedError, StoreUnreachableError } from "../errors.ts";
import { hint } from "../hint.ts";
import type { LockOwner } from "./lock.ts";
import type { LockSettings, RedisLock } from "./lock_settings.ts";
import type { Ioredis } from "../redis/client.ts";
import { replyCode, senselessAnswer, toToldError, watchFailures } from "../redis/errors.ts";
import { breakFence } from "../redis/lock/fence.ts";
import { RELEASE } from "../redis/lock/lease_scripts.ts";
import { decodeOwner, LEASE_BEGIN, leasePrefix, tokenOf } from "../redis/lock/lease_value.ts";
import type { StopOptions } from "../until_stopped.ts";

/** How {@linkcode Engine.unlock} works. */
export interface UnlockOptions extends StopOptions {
  /** Clears the lock of a living owner too, who then stops before the next write. @default {false} */
  readonly force?: boolean | undefined;
}

/** What was cleared. */
export interface ClearedLock {
  /** Names of the locks that were cleared; empty when there was none. */
  readonly cleared: readonly string[];
  /** Who held the first of them, or null. */
  readonly owner: LockOwner | null;
}

/** Deletes a name while it still holds what was read. KEYS: 1 name. ARGV: 1 value read. Returns how many keys were deleted. */
const CLEAR = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Who holds the lock in Redis under any of its names, or null. Only reads: `GET` and `PTTL`.
 */
export async function readLock({ redis }: Pick<LockSettings, "redis">): Promise<LockOwner | null> {
  if (redis === null) return null;
  for (const name of namesOf(redis)) {
    const found = await read(redis, name);
    if (found !== null) return found.owner;
  }
  return null;
}

/**
 * Clears the lock under all its names, together with the fence of its holder: a holder that wakes later finds neither.
 *
 * A lock without heartbeats, as older tools leave, is cleared without force: nothing tells whether its holder lives.
 *
 * @throws {LockHeldError} When a holder's heartbeat is fresh and `force` is not set. Nothing was cleared then.
 * @throws {StoreUnreachableError} When it cannot be cleared, however often it is tried.
 */
export async function clearLock(
  { redis }: Pick<LockSettings, "redis">,
  { force = false, signal }: UnlockOptions = {},
): Promise<ClearedLock> {
  const cleared: string[] = [];
  let first: LockOwner | null = null;
  if (redis === null) return { cleared, owner: first };
  for (const name of namesOf(redis)) {
    // A heartbeat in between changes the value: then the holder is looked at again.
    let tries = 0;
    for (let found = await read(redis, name); found !== null; found = await read(redis, name)) {
      if (++tries > MOST_TRIES) throw neverStill(name);
      first ??= found.owner;
      refuseLive(found.owner, force);
      const { value } = found;
      await asking(redis.client, "Cannot clear the lock", async () => {
        if (signal?.aborted) throw stopped(cleared);
        await breakFence(redis.client, redis.names.fence);
        if (signal?.aborted) throw stopped(cleared);
        if (await redis.client.eval(CLEAR, 1, name, value) !== 1) return;
        cleared.push(name);
        const token = tokenOf(value);
        for (const shared of token === null ? [] : redis.names.shared ?? []) {
          const prefix = leasePrefix(token!);
          const gone = redis.client.eval(RELEASE, 1, shared, prefix).catch(unlessForbidden(0));
          if (await gone === 1) cleared.push(shared);
        }
      });
    }
  }
  return { cleared, owner: first };
}

/** Far more than heartbeats can come in between: whatever answers does not do what it is told, and would be asked for ever. */
const MOST_TRIES = 50;

function neverStill(name: string): StoreUnreachableError {
  return new StoreUnreachableError(
    "redis",
    `Cannot clear the lock: "${name}" is there again each time it is deleted`,
    { hint: "Stop whoever writes it, and look whether this is the Redis that is meant" },
  );
}

/** Also where nobody waits for the answer any more: nothing is cleared behind their back. */
function stopped(cleared: readonly string[]): InterruptedError {
  const rest = cleared.length === 0 ? "nothing was" : `only ${cleared.join(", ")} was`;
  return new InterruptedError(`Stopped before the lock was cleared: ${rest}`, {
    hint: "Run the same command again: it continues where this one stopped",
  });
}

function refuseLive(owner: LockOwner, force: boolean): void {
  if (force || !owner.alive || owner.heartbeatAt === null) return;
  throw new LockHeldError(`Cannot clear the lock, its holder is alive: ${describeOwner(owner)}`, owner, {
    hint: hint`Wait until it is done, or clear it all the same with ${"unlock --force"}`,
  });
}

function namesOf({ names: { lock, older, shared = [] } }: RedisLock): readonly string[] {
  return [lock, ...older, ...shared];
}

/** Of a name that all installations share a run of this tool holds none but its own: that is told by the lock's own name. */
async function read(
  { client, names: { shared = [] } }: RedisLock,
  name: string,
): Promise<{ readonly value: Buffer; readonly owner: LockOwner } | null> {
  return await asking(client, "Cannot read the lock", async () => {
    const isShared = shared.includes(name);
    const asked = client.getBuffer(name);
    const value = await (isShared ? asked.catch(unlessForbidden(null)) : asked).catch((error: unknown) => {
      throw replyCode(error) === "WRONGTYPE" ? noLock(name) : error;
    });
    if (value === null || isShared && value.toString().startsWith(LEASE_BEGIN)) return null;
    const ttlLeftMs = await client.pttl(name);
    if (typeof ttlLeftMs !== "number") throw senselessAnswer("PTTL");
    return ttlLeftMs === -2 ? null : { value, owner: decodeOwner(value, ttlLeftMs, name) };
  });
}

/** No tool holds its lock so: nothing tells whom that belongs to, and `unlock` deletes no data of others. */
function noLock(name: string): RefusedError {
  return new RefusedError(
    `Cannot read the lock: what is called "${name}" in Redis is no lock, nor any other text`,
    {
      hint: "Look at what it is (TYPE), move it out of the way (RENAME), then run the same command again",
    },
  );
}

/** A user for one deployment alone may not look at what all share, and need not. */
function unlessForbidden<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (replyCode(error) !== "NOPERM") throw error;
    return instead;
  };
}

async function asking<T>(client: Ioredis, action: string, ask: () => Promise<T>): Promise<T> {
  const last = watchFailures(client);
  try {
    return await ask();
  } catch (error) {
    throw toToldError(error, action, last());
  }
}
