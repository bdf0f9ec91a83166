/**
 * How an engine takes the lock, and what holds where nobody says otherwise.
 *
 * @module
 */

import type { Ioredis } from "../redis/client.ts";
import type { RedisLockNames } from "./lock.ts";
import type { LockGroup } from "./lock_group.ts";

/** Length of the lease in milliseconds: a dead owner frees the lock within this time. */
export const LEASE_MS = 30_000;

/** How long a command waits for the lock, in milliseconds: pods that start together all succeed. */
export const LOCK_WAIT_MS = 60_000;

/** How an engine takes the lock. */
export interface LockSettings {
  /** Null for an engine without Redis: then the SQL stores' half is the whole lock. */
  readonly redis: RedisLock | null;
  /** Who takes it, for others to see. */
  readonly owner: { readonly host: string; readonly pid: number };
  /** Length of the lease in milliseconds. @default {LEASE_MS} */
  readonly ttlMs?: number | undefined;
  /** Others that it is taken beside, by the same process. */
  readonly beside?: LockCompany | undefined;
}

/** Runs of one process that each take a lock of their own. */
export interface LockCompany {
  /** What their locks share. */
  readonly group: LockGroup;
  /** Called by a run that is about to wait for its lock: the others need not wait for it. @returns To be called when it has it. */
  stepAside(): () => void;
}

/** Where the half in Redis lies. */
export interface RedisLock {
  readonly client: Ioredis;
  readonly names: RedisLockNames;
}
