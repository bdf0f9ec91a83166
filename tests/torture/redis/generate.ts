/**
 * Makes a history of a seed.
 *
 * @module
 */

import type { Event, History } from "../history.ts";
import { Random } from "../random.ts";
import { aimedHistory } from "./aimed_history.ts";
import { anyHistory } from "./any_history.ts";
import type { Topology } from "./servers.ts";

const MINUTE_MS = 60_000;
/** Also by more than what is left of a deleted record is kept for. */
const WRONG_BY_MS = [-10 * 1440, -90, -1, 1, 90, 10 * 1440].map((minutes) => minutes * MINUTE_MS);

/** Makes the history of a seed. The same seed and topology always give the same one. */
export function generate(seed: number, topology: Topology): History {
  return settled(aimedHistory(seed, topology) ?? anyHistory(seed, topology));
}

/** In some seeds the program is in another database than the first, or has no more rights than it needs, and at times less. */
function settled(history: History): History {
  const { seed, topology } = history;
  const random = new Random(seed ^ 0x7d);
  const database = seed % 14 === 2 && topology !== "cluster" ? random.between(1, 15) : 0;
  const granted = [2, 10].includes(seed % 14);
  const events = [...history.events];
  for (let i = granted ? random.between(0, 3) : 0; i > 0; i--) {
    const revoke = { type: "server_fault", fault: "revoke", seed: random.between(0, 999) } as const;
    events.splice(random.between(1, events.length), 0, { after: random.between(0, 60), ...revoke });
  }
  return { ...history, database, granted, events: seed % 2 === 0 ? events : onOtherClocks(random, events) };
}

/** Hosts whose clocks are wrong by minutes or days. */
function onOtherClocks(random: Random, events: readonly Event[]): Event[] {
  return events.map((event) =>
    event.type === "run" && !event.process && random.chance(0.4)
      ? { ...event, aheadMs: random.pick(WRONG_BY_MS) }
      : event
  );
}
