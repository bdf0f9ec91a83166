/**
 * Looks at work while it goes on.
 *
 * @module
 */

import { pause } from "../pause.ts";

/** How often is looked, in milliseconds. */
const EVERY_MS = 1000;

/**
 * Looks once a second. That a look fails does no harm to the work.
 *
 * @param look Finds out what is going on.
 * @param tell Given what was found, until the end.
 * @returns Ends it. A look in hand is left to end by itself: it may be waiting for a store that the work has given up.
 */
export function watch<Seen>(look: () => Promise<Seen>, tell: (seen: Seen) => void): () => void {
  const over = new AbortController();
  const keepLooking = async () => {
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
  void keepLooking();
  return () => over.abort();
}
