/**
 * Draws a random sample of groups in one walk, with all records of each: the groups whose salted hashes are the
 * smallest. A group that is among them at the end was among them when its first record came.
 *
 * @module
 */

import type { Binary } from "../binary.ts";

/** A sample being drawn. */
export interface Sample {
  /** To be shown every key once or more. */
  readonly visit: (keys: readonly Binary[]) => Promise<void>;
  readonly groups: ReadonlyMap<Binary, Set<Binary>>;
}

/** @param size Groups to draw. @param groupOf The group that a key belongs to, null for none. */
export function chooseSample(size: number, groupOf: (key: Binary) => Binary | null): Sample {
  const salt = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const groups = new Map<Binary, Set<Binary>>();
  const ranks = new Map<Binary, number>();
  let worst: Binary | null = null;
  const findWorst = () => [...ranks].reduce((one, other) => other[1] > one[1] ? other : one)[0];
  const look = (key: Binary) => {
    const group = groupOf(key);
    if (group === null) return;
    const members = groups.get(group);
    if (members !== undefined) {
      members.add(key);
      return;
    }
    const rank = hash(group, salt);
    if (groups.size >= size) {
      if (worst === null || rank >= ranks.get(worst)!) return;
      groups.delete(worst);
      ranks.delete(worst);
    }
    groups.set(group, new Set([key]));
    ranks.set(group, rank);
    worst = groups.size >= size ? findWorst() : null;
  };
  return {
    groups,
    visit: (keys) => {
      if (size > 0) keys.forEach(look);
      return Promise.resolve();
    },
  };
}

/** The keys of a sample, in batches. */
export function* sampleOf(sample: Sample, batch = 200): Generator<Binary[]> {
  for (const members of sample.groups.values()) {
    const keys = [...members];
    for (let at = 0; at < keys.length; at += batch) yield keys.slice(at, at + batch);
  }
}

/** FNV-1a with a final mix, so that the salt changes the order and not only the numbers. */
function hash(text: string, salt: number): number {
  let value = (2166136261 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 2246822507) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}
