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
  /**
   * `marked`: fresh, and its Redis migrations are now marked applied. `adopted`: in use, and what older tools recorded, or what is not
   * applicable, is recorded anew. `used`: nothing was changed, since it was in use or another node was first.
   */
  readonly redis: "marked" | "adopted" | "used" | null;
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
  const done = await withLock({ ...context, sql: new Map() }, "init", options, async ({ lock, signal }) => {
    const record = { signal, ...(lock.fence === null ? {} : { fence: lock.fence }) };
    if (await redis.markFresh(record)) return "marked";
    return await redis.adopt(record) ? "adopted" : "used";
  });
  return { redis: done, pending: (await read()).pending };
}
