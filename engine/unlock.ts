/**
 * Who holds the lock, and the way out when its owner is dead.
 *
 * @module
 */

import { type ClearedLock, clearLock, readLock, type UnlockOptions } from "./lock/clear.ts";
import type { LockOwner } from "./lock/lock.ts";
import { askEach, type EngineContext, together } from "./stores.ts";

/** Who holds either half of the lock, the Redis half first, or null. Reads only. */
export async function lockOwner(
  { lock, sql }: Pick<EngineContext, "lock" | "sql">,
): Promise<LockOwner | null> {
  const [owners, redis] = await together([askEach(sql, (backend) => backend.lockOwner()), readLock(lock)]);
  return redis ?? [...owners.values()].find((owner) => owner !== null) ?? null;
}

/** Clears the lock in Redis. The SQL half needs none of this: it ends with its connection. */
export async function unlock(
  context: Pick<EngineContext, "lock" | "sql">,
  options: UnlockOptions,
): Promise<ClearedLock> {
  if (context.lock.redis === null) return { cleared: [], owner: await lockOwner(context) };
  return await clearLock(context.lock, options);
}
