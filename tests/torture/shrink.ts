/**
 * Makes a history that broke a promise shorter, as long as it still breaks the same one.
 *
 * @module
 */

import type { Playable } from "./halves.ts";
import type { Find, Outcome } from "./stage.ts";

/** Replays at most; each takes as long as a history. */
const REPLAYS = 60;
/** Real concurrency makes replays inexact: a shorter history is tried so often before it counts as sound. */
const TRIES = 2;

/** A history with what came of it. */
export interface Story {
  readonly history: Playable;
  readonly outcome: Outcome;
}

/**
 * Leaves events away, halves first, then one by one.
 *
 * @param isFind False for finds that do not count.
 */
export async function shrink(story: Story, isFind: (find: Find) => boolean): Promise<Story> {
  let best = story;
  const shape = shapeOf(story.outcome.finds[0]!);
  let left = REPLAYS;
  const attempt = async (candidate: Playable): Promise<boolean> => {
    for (let i = 0; i < TRIES && left > 0; i++) {
      left--;
      const outcome = await candidate.play().catch(() => null);
      if (outcome === null) continue;
      const finds = outcome.finds.filter(isFind);
      if (!finds.some((find) => shapeOf(find) === shape)) continue;
      best = { history: candidate, outcome: { ...outcome, finds } };
      return true;
    }
    return false;
  };
  let size = Math.ceil(best.history.events.length / 2);
  while (size >= 1) {
    for (let at = 0; at < best.history.events.length && left > 0;) {
      const { events } = best.history;
      const without = [...events.slice(0, at), ...events.slice(at + size)];
      if (!await attempt(best.history.having(without))) at += size;
    }
    size = size > 1 ? Math.ceil(size / 2) : 0;
  }
  for (const simpler of best.history.simpler()) if (left > 0) await attempt(simpler);
  return best;
}

/** What kind of find it is, whatever it was about. */
function shapeOf({ what }: Find): string {
  return what.replaceAll(/\d+/g, "N").split(/[{"]/)[0]!.slice(0, 60);
}
