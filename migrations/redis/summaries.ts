/**
 * Summaries: each lists the destinations of a tenant, and bears no time of its own.
 *
 * @module
 */

import type { BothKeys, ListKeys, Lists } from "../../engine/redis/copy/change.ts";

const TENANT = "tenant:";
const DESTINATIONS = ":destinations";
/** A current summary of a tenant whose ID holds no braces. */
const CURRENT_SUMMARY = /^tenant:\{([^{}]+)\}:destinations$/;

/** What summaries list, and whom they belong to. */
export const summaries: Lists = {
  recordOf: (list, field) => {
    const stems = stemsOf(list);
    const suffix = `:destination:${field}`;
    return stems === null ? null : { source: stems.source + suffix, target: stems.target + suffix };
  },
  ownerOf: (list) => {
    const stems = stemsOf(list);
    return stems === null ? null : { source: stems.source, target: `${stems.target}:tenant` };
  },
  ofCopy: (key) => {
    const [, id] = CURRENT_SUMMARY.exec(key) ?? [];
    return id === undefined ? null : { source: TENANT + id + DESTINATIONS, target: key, kind: "summaries" };
  },
};

/** What the keys of a summary's tenant begin with, old and current. */
function stemsOf({ source, target, kind }: ListKeys): BothKeys | null {
  if (kind !== "summaries" || !source.endsWith(DESTINATIONS) || !target.endsWith(DESTINATIONS)) return null;
  return { source: source.slice(0, -DESTINATIONS.length), target: target.slice(0, -DESTINATIONS.length) };
}
