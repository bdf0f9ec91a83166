/**
 * Looks at work while it goes on.
 *
 * @module
 */

import { pause } from "../pause.ts";

/** How often is looked, in milliseconds. */
const EVERY_MS = 1000;

/**
 * Works, and tells of it once a second. That a look fails does no harm to the work.
 *
 * @param look Finds out what is going on.
 * @param tell Given what was found, until the work ends.
 */
export async function watching<Result, Seen>(
  work: () => Promise<Result>,
  look: () => Promise<Seen>,
  tell: (seen: Seen) => void,
): Promise<Result> {
  const over = new AbortController();
  const watch = async () => {
    while (true) {
      await pause(EVERY_MS, over.signal);
      if (over.signal.aborted) return;
      try {
        const seen = await look();
        if (!over.signal.aborted) tell(seen);
      } catch {
        // Whatever is wrong with the store, the work meets it too, and says so.
      }
    }
  };
  void watch();
  try {
    return await work();
  } finally {
    // A look in hand is left to end by itself: it may be waiting for a store that the work has given up.
    over.abort();
  }
}
