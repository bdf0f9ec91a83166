/**
 * Settles records whose two forms differ, by what a person chose.
 *
 * @module
 */

import type { KeptForm, RedisDifference, ResolveResult } from "./redis_backend.ts";
import { RefusedError } from "./errors.ts";
import type { LockOptions } from "./lock/lock.ts";
import { withLock } from "./lock/with_lock.ts";
import type { EngineContext, Stores } from "./stores.ts";
import type { StopOptions } from "./until_stopped.ts";

/** What {@linkcode Engine.planResolve} looks at. */
export interface PlanResolveOptions extends StopOptions {
  /** Keys of originals, as they are shown or whole; left out, every one of which only a person can tell which form is right. */
  readonly keys?: readonly string[] | undefined;
}

/** Finds what is to be settled. Reads only. */
export async function planResolve(
  stores: Stores,
  id: string,
  { keys, signal = new AbortController().signal }: PlanResolveOptions,
): Promise<readonly RedisDifference[]> {
  return await redisOf(stores, id).differences(id, keys ?? null, { signal });
}

/** Writes the form that is kept over the other, under the lock, where both are still what was shown. */
export async function resolveDifferences(
  context: EngineContext,
  id: string,
  differences: readonly RedisDifference[],
  keep: KeptForm,
  options: LockOptions,
): Promise<ResolveResult> {
  const redis = redisOf(context, id);
  if (differences.length === 0) return { id, resolved: 0, issues: [] };
  return await withLock(context, "resolve", options, async ({ lock, signal }) => {
    lock.report({ migration: id, progress: null });
    const fence = lock.fence === null ? {} : { fence: lock.fence };
    return await redis.settle(id, differences, keep, { signal, ...fence });
  });
}

function redisOf({ redis }: Stores, id: string) {
  if (redis !== null && id.startsWith("redis/")) return redis;
  throw new RefusedError(`Cannot settle records of ${id}: only copies in Redis have two forms`);
}
