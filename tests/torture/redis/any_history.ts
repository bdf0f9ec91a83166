/**
 * Makes histories in which anything may happen.
 *
 * @module
 */

import type { Event, History, Population } from "../history.ts";
import { Random } from "../random.ts";
import { next } from "./happenings.ts";
import { freshStart, motif } from "./motifs.ts";
import type { Topology } from "./servers.ts";

const ID_FORMS: readonly ((n: number) => string)[] = [
  (n) => `t${n}`,
  (n) => `t${n}:b`,
  (n) => `t${n}::b:`,
  (n) => `\xff\xfet${n}\x80`,
  (n) => `*t${n}?[a]\\`,
  (n) => `t${n}}{`,
  (n) => `{t${n}:x`,
  (n) => `t${n}:destinations`,
  (n) => `t ${n}`,
];

const DESTINATIONS = ["d1", "d2", "d:3"];

/** Any history of a seed. @param deployments Left out, any. */
export function anyHistory(seed: number, topology: Topology, deployments?: readonly string[]): History {
  const random = new Random(seed);
  const fresh = random.chance(0.04) && deployments === undefined;
  const populations = fresh ? [{ deployment: "", tenants: [] }] : populate(random, deployments);
  const events: Event[] = [];
  const count = random.between(6, 26);
  // Old and new releases at once, one after the other, or one alone.
  const mix = random.pick([0.2, 0.5, 0.8]);
  if (fresh) events.push(...freshStart(random, populations));
  for (let i = 0; i < count; i++) {
    const share = i / count;
    if (random.chance(0.12)) {
      events.push(...motif(random, { populations, topology, mix, share }));
      continue;
    }
    for (const happening of next(random, { populations, topology, mix, share })) {
      events.push({ after: random.weighted([[3, 0], [3, 1], [3, 3], [3, 8], [1, 25]]), ...happening });
    }
  }
  return {
    seed,
    topology,
    populations,
    neighbours: !fresh && random.chance(0.6),
    scarce: false,
    oldest: false,
    unsettled: false,
    long: false,
    coarse: false,
    odd: false,
    shared: false,
    database: 0,
    granted: false,
    events,
  };
}

function populate(random: Random, deployments?: readonly string[]): Population[] {
  const odd = random.chance(0.3);
  const ids = deployments ?? random.weighted<readonly string[]>([
    [5, [""]],
    [3, ["", "dp_001"]],
    [1, ["a", "a_b"]],
    [1, ["", "a", "a-b"]],
  ]);
  return ids.map((deployment) => ({
    deployment,
    tenants: Array.from({ length: random.weighted([[3, 3], [3, 8], [2, 20], [1, 60]]) }, (_, n) => ({
      id: (odd ? random.pick(ID_FORMS) : ID_FORMS[0]!)(n),
      destinations: DESTINATIONS.slice(0, random.between(0, 3)),
      deleted: random.chance(0.08),
    })),
  }));
}

/** Tenants of a history in which the same ones are met again and again. */
export function fewTenants(random: Random): Population["tenants"] {
  return Array.from({ length: 3 }, (_, n) => ({
    id: `t${n}`,
    destinations: DESTINATIONS.slice(0, random.between(1, 3)),
    deleted: false,
  }));
}
