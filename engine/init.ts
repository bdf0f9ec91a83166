/**
 * Prepares a fresh installation, and takes over old bookkeeping on a used one.
 *
 * @module
 */

import type { LockOptions } from "./lock/lock.ts";
import { withLock } from "./lock/with_lock.ts";
import type { PendingCounts, State } from "./state.ts";
import type { EngineContext } from "./stores.ts";

/** How {@linkcode Engine.init} works. */
export type InitOptions = LockOptions;

/** What {@linkcode Engine.init} found and did. */
export interface InitResult {
  /** `marked`: fresh, and its Redis migrations are now marked applied. `used`: it was in use, or another node was first. */
  readonly redis: "marked" | "used" | null;
  /** What is pending afterwards. */
  readonly pending: PendingCounts;
}

/** Initializes. Takes the lock only where something is to be written. */
export async function init(
  context: EngineContext,
  read: () => Promise<State>,
  options: InitOptions,
): Promise<InitResult> {
  const { redis } = context;
  if (redis === null) return { redis: null, pending: (await read()).pending };
  const before = await read();
  const { adoptable, recorded } = before.redis!;
  if (!adoptable && (recorded || before.pending.redis === 0)) {
    return { redis: "used", pending: before.pending };
  }
  // The SQL half is left alone: nothing of it is written here.
  const marked = await withLock({ ...context, sql: new Map() }, "init", options, async ({ lock, signal }) => {
    const record = { signal, ...(lock.fence === null ? {} : { fence: lock.fence }) };
    if (await redis.markFresh(record)) return true;
    await redis.adopt(record);
    return false;
  });
  return { redis: marked ? "marked" : "used", pending: (await read()).pending };
}
