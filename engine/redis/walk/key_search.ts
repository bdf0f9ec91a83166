/**
 * Searches that end before they have seen everything.
 *
 * @module
 */

import { InterruptedError } from "../../errors.ts";
import type { Binary } from "../binary.ts";
import type { RedisStore } from "../store.ts";
import { walk } from "./walk.ts";

/**
 * Does what may find, on its way, that it need not go on.
 *
 * @param work Given a signal to heed, and what to call then.
 * @returns Whether it was called.
 * @throws {InterruptedError} When the signal fired that is given here.
 */
export async function untilEnough(
  signal: AbortSignal,
  work: (signal: AbortSignal, enough: () => void) => Promise<void>,
): Promise<boolean> {
  const found = new AbortController();
  try {
    await work(AbortSignal.any([signal, found.signal]), () => found.abort());
  } catch (error) {
    if (!found.signal.aborted || !(error instanceof InterruptedError)) throw error;
  }
  return found.signal.aborted;
}

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
  return await untilEnough(signal, (signal, enough) =>
    walk(store, {
      pattern,
      signal,
      visit: async (keys) => {
        if (await isMeant(keys)) enough();
      },
    }));
}
