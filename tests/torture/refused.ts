/**
 * Histories in which servers refuse commands of the runners.
 *
 * @module
 */

import type { Refusal } from "./history.ts";
import type { Random } from "./random.ts";

/** Most commands of a run that come to be refused. */
const MOST = 60;

/** Has some commands of each run refused, one or a few at a time. */
export function refused<Event extends { readonly type: string }>(
  random: Random,
  events: readonly Event[],
  codes: readonly Refusal["code"][],
): (Event | Refusal & { readonly after: number })[] {
  return events.flatMap((event) => {
    if (event.type !== "run") return [event];
    const { runner } = event as Event & { readonly runner: number };
    const count = random.weighted([[1, 0], [3, 1], [1, 3]]);
    const refusals = Array.from({ length: count }, () => ({
      after: random.between(0, MOST),
      type: "refusal" as const,
      runner,
      code: random.pick(codes),
      times: random.weighted([[7, 1], [2, random.between(2, 6)]]),
    }));
    return [event, ...refusals];
  });
}
