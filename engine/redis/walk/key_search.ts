/**
 * Searches for one key that matches, and stops there.
 *
 * @module
 */

import { InterruptedError } from "../../errors.ts";
import type { Binary } from "../binary.ts";
import type { RedisStore } from "../store.ts";
import { walk } from "./walk.ts";

/**
 * Tells whether a key matches a pattern and is meant.
 *
 * @param isMeant Finds out of a batch of keys whether any of them is meant.
 * @throws {InterruptedError} When the signal fired.
 */
export async function anyKey(
  store: RedisStore,
  pattern: Binary,
  signal: AbortSignal,
  isMeant: (keys: readonly Binary[]) => boolean | Promise<boolean>,
): Promise<boolean> {
  const found = new AbortController();
  try {
    await walk(store, {
      pattern,
      signal: AbortSignal.any([signal, found.signal]),
      visit: async (keys) => {
        if (await isMeant(keys)) found.abort();
      },
    });
  } catch (error) {
    if (!found.signal.aborted || !(error instanceof InterruptedError)) throw error;
  }
  return found.signal.aborted;
}
