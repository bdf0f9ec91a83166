/**
 * Makes a history that broke a promise shorter, as long as it still breaks one.
 *
 * @module
 */

import type { History } from "./history.ts";
import type { Find, Outcome } from "./stage.ts";

/** Replays at most; each takes as long as a history. */
const REPLAYS = 60;
/** Real concurrency makes replays inexact: a shorter history is tried so often before it counts as sound. */
const TRIES = 2;

/** A history with what came of it. */
export interface Story {
  readonly history: History;
  readonly outcome: Outcome;
}

/** Leaves events and tenants away: halves first, then one by one. */
export async function shrink(
  history: History,
  outcome: Outcome,
  replay: (history: History) => Promise<Outcome>,
): Promise<Story> {
  let best: Story = { history, outcome };
  const shape = shapeOf(outcome.finds[0]!);
  let left = REPLAYS;
  const attempt = async (candidate: History): Promise<boolean> => {
    for (let i = 0; i < TRIES && left > 0; i++) {
      left--;
      const found = await replay(candidate);
      if (!found.finds.some((find) => shapeOf(find) === shape)) continue;
      best = { history: candidate, outcome: found };
      return true;
    }
    return false;
  };
  for (
    let size = Math.ceil(best.history.events.length / 2);
    size >= 1;
    size = size > 1 ? Math.ceil(size / 2) : 0
  ) {
    for (let at = 0; at < best.history.events.length && left > 0;) {
      const { events } = best.history;
      const without = [...events.slice(0, at), ...events.slice(at + size)];
      if (without.length === events.length || !await attempt({ ...best.history, events: without })) {
        at += size;
      }
    }
  }
  for (const population of best.history.populations) {
    const populations = best.history.populations.map((one) =>
      one.deployment === population.deployment ? { ...one, tenants: one.tenants.slice(0, 2) } : one
    );
    if (left > 0) await attempt({ ...best.history, populations });
  }
  return best;
}

/** What kind of find it is, whatever it was about. */
function shapeOf({ what }: Find): string {
  return what.split(/[{"]/)[0]!.slice(0, 60);
}
