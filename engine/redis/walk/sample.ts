/**
 * Chooses groups of records at random, each as likely as any other: by drawing, or by a walk over all keys where there are not
 * many, or where drawing finds too few.
 *
 * @module
 */

import { asked } from "../asked.ts";
import type { Binary } from "../binary.ts";
import { readExisting, readInPieces } from "../bulk_reads.ts";
import type { RedisStore } from "../store.ts";
import { readTopology } from "../topology.ts";
import { drawGroups, FEW_KEYS } from "./draw.ts";
import { type Grouping, onlyMatching } from "./grouping.ts";
import { coveringPattern } from "./pattern.ts";
import { walk } from "./walk.ts";

/** The keys of the groups that were chosen. */
export interface Sample {
  readonly keys: readonly Binary[];
  /** True where drawing found too few groups among many keys, so that all keys were looked through. */
  readonly searched: boolean;
}

/**
 * Chooses groups. Where one is found in several forms it is one group.
 *
 * @param groupings Those of later migrations come after those of earlier ones.
 * @param size How many; all where there are fewer.
 * @throws {InterruptedError} When the signal fired.
 */
export async function chooseSample(
  store: RedisStore,
  groupings: readonly Grouping[],
  size: number,
  signal: AbortSignal,
): Promise<Sample> {
  if (size === 0) return { keys: [], searched: false };
  const meant = groupings.map(onlyMatching);
  const { nodes } = await readTopology(store);
  const masters = await Promise.all(
    nodes.map(async ({ client }) => ({ client, keys: Number(await client.call("DBSIZE")) })),
  );
  // A walk would serve all runs that are at work, and draws only one.
  const runs = store.walks.size;
  const many = masters.reduce((sum, { keys }) => sum + keys, 0) > FEW_KEYS * runs;
  const drawn = many ? await drawGroups(store, masters, meant, { size, runs }, signal) : null;
  if (drawn !== null) return { keys: await findMembers(store, meant, drawn), searched: false };
  const search = searchGroups(meant, size);
  const pattern = coveringPattern(groupings.map((grouping) => grouping.pattern));
  await walk(store, {
    signal,
    pattern,
    visit: (keys) => {
      search.visit(keys);
      return Promise.resolve();
    },
  });
  return { keys: [...search.groups.values()].flatMap((members) => [...members]), searched: many };
}

/** The records of groups that are there: those drawn, and those that the lists of their groups name. */
async function findMembers(
  store: RedisStore,
  groupings: readonly Grouping[],
  drawn: ReadonlyMap<Binary, ReadonlySet<Binary>>,
): Promise<Binary[]> {
  const keys = new Set<Binary>();
  for (const [group, own] of drawn) {
    for (const key of own) keys.add(key);
    for (const grouping of groupings) {
      const known = asked("keysOf", grouping, group, () => grouping.keysOf?.(group));
      if (known === undefined) continue;
      keys.add(known.head).add(known.list);
      for (const field of (await readInPieces(store, known.list)).keys()) {
        keys.add(asked("recordOf", grouping, known.list, () => known.recordOf(field)));
      }
    }
  }
  return [...await readExisting(store, [...keys])];
}

/** A search for groups: those whose salted hashes are the smallest. One that is among them at the end was so from its first key on. */
export function searchGroups(groupings: readonly Grouping[], size: number): {
  /** To be shown every key once or more. */
  readonly visit: (keys: readonly Binary[]) => void;
  readonly groups: ReadonlyMap<Binary, ReadonlySet<Binary>>;
} {
  const salt = Math.floor(Math.random() * 2 ** 32);
  const groups = new Map<Binary, Set<Binary>>();
  const ranks = new Map<Binary, number>();
  let worst: Binary | null = null;
  const findWorst = () => [...ranks].reduce((one, other) => other[1] > one[1] ? other : one)[0];
  const look = (key: Binary, group: Binary | null) => {
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
      for (const key of keys) for (const grouping of groupings) look(key, grouping.groupOf(key));
    },
  };
}

/** FNV-1a with a final mix, so that the salt changes the order and not only the numbers. */
function hash(text: string, salt: number): number {
  let value = (2166136261 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 2246822507) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}
