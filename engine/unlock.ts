/**
 * Who holds the lock, and the way out when its holder is dead.
 *
 * @module
 */

import { clearLock, readLock } from "./lock/clear.ts";
import type { LockOwner } from "./lock/lock.ts";
import type { LockSettings } from "./lock/with_lock.ts";
import type { Backends } from "./state.ts";

/** How {@linkcode Engine.unlock} works. */
export interface UnlockOptions {
  /** Clears the lock of a living holder too, which then stops before its next write. @default {false} */
  readonly force?: boolean;
}

/** What was cleared. */
export interface ClearedLock {
  /** Names of the locks that were cleared; empty when there was none. */
  readonly cleared: readonly string[];
  /** Who held it. */
  readonly owner: LockOwner | null;
}

type Context = Backends & { readonly lock: LockSettings };

/** Who holds either half of the lock, the Redis half first, or null. Reads only. */
export async function whoHolds(context: Context): Promise<LockOwner | null> {
  const [redis, ...sql] = await Promise.all([
    context.lock.redis === null ? null : readLock(context.lock),
    ...context.sql.map((backend) => backend.lockOwner()),
  ]);
  return redis ?? sql.find((owner) => owner !== null) ?? null;
}

/** Clears the lock in Redis. The SQL half needs none of this: it ends with its connection. */
export async function unlock(context: Context, { force = false }: UnlockOptions): Promise<ClearedLock> {
  if (context.lock.redis === null) return { cleared: [], owner: await whoHolds(context) };
  return await clearLock({ ...context.lock, force });
}
