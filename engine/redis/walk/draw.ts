/**
 * Draws groups of records at random places of the keyspace, so that a sample costs a sample however many keys there are.
 *
 * A server keeps its keys in the order of a hash that nobody can foresee, and a SCAN goes on from any cursor: a page that begins at
 * a random one holds any key as likely as any other, but for how far apart keys happen to lie there (some percent). Masters
 * get pages by how many keys they hold. In a cluster whose cursors carry the slot (Redis 7.4 and Valkey 8 on) each slot is as likely
 * to begin with, so that keys are equally likely where slots hold about equally many.
 *
 * Of a group only its head counts, and of several forms only the last one that is there: so that neither a group of many
 * records nor one in two forms is more likely. A record without a head counts by itself.
 *
 * @module
 */

import type { Redis } from "ioredis";
import type { Binary } from "../binary.ts";
import { readExisting } from "../bulk_reads.ts";
import { toStoreError } from "../errors.ts";
import { scanPage } from "../scan.ts";
import type { RedisStore } from "../store.ts";
import type { Grouping } from "./grouping.ts";
import { throwIfAborted } from "./pacing.ts";

/** Keys that one page looks at, pages at least, and pages at a time. */
const PAGE = 250;
const PAGES = 24;
const AT_ONCE = 8;
/** So many keys are looked at in the end, or as many as there are: where few of them are meant, a search is as quick. */
const MOST_KEYS = 400_000;
/** With fewer keys than that, a look at all of them is no dearer. */
export const FEW_KEYS = PAGE * PAGES;

/** A master, and how many keys it holds. */
interface Master {
  readonly client: Redis;
  readonly keys: number;
}

/**
 * Draws groups.
 *
 * @param groupings May be asked about any key.
 * @param size How many groups, and how many runs draw at a time: together they look at no more keys than one would.
 * @returns For each group the records that were drawn of it; null when too few were found.
 * @throws {InterruptedError} When the signal fired.
 */
export async function drawGroups(
  store: RedisStore,
  masters: readonly Master[],
  groupings: readonly Grouping[],
  { size, runs = 1 }: { readonly size: number; readonly runs?: number },
  signal: AbortSignal,
): Promise<ReadonlyMap<Binary, ReadonlySet<Binary>> | null> {
  const total = masters.reduce((sum, { keys }) => sum + keys, 0);
  const most = Math.max(FEW_KEYS, Math.min(MOST_KEYS, 2 * total) / runs);
  const groups = new Map<Binary, Set<Binary>>();
  const patterns = [...new Set(groupings.map(({ pattern }) => pattern))];
  for (let pages = 0; pages < PAGES || groups.size < size; pages += AT_ONCE) {
    throwIfAborted(signal);
    if (pages * PAGE > most) return null;
    const found = await Promise.all(
      Array.from({ length: AT_ONCE }, () => readPage(choose(masters, total * Math.random()), patterns)),
    );
    for (const [group, keys] of await headsOf(store, groupings, found.flat())) {
      const known = groups.get(group);
      for (const key of keys) known?.add(key);
      if (known === undefined) groups.set(group, keys);
    }
  }
  return new Map(shuffled([...groups]).slice(0, size));
}

/** The master that a number below their sum falls on. */
function choose(masters: readonly Master[], at: number): Master {
  let sum = 0;
  return masters.find(({ keys }) => (sum += keys) > at) ?? masters.at(-1)!;
}

/** Keys of the page that begins at a random place. One that begins near the end goes on at the beginning. */
async function readPage(
  { client }: Master,
  patterns: readonly Binary[],
): Promise<Binary[]> {
  const cursor = String(Math.floor(Math.random() * 2 ** 48));
  const pages = await Promise.all(patterns.map(async (pattern) => {
    const scan = (from: string, count: number) =>
      scanPage(client, { cursor: from, pattern, count: Math.max(1, count) });
    const { next, keys } = await scan(cursor, PAGE);
    // How much of the page is left is not told: any part of it, by chance, makes the first keys as likely as all others.
    return next === "0" ? [...keys, ...(await scan("0", Math.ceil(Math.random() * PAGE))).keys] : keys;
  })).catch((error: unknown) => {
    throw toStoreError(error, "Cannot draw a sample of the keys");
  });
  return pages.flat();
}

/** Those of some keys that stand for their group, or belong to one without a head. */
async function headsOf(
  store: RedisStore,
  groupings: readonly Grouping[],
  keys: readonly Binary[],
): Promise<Map<Binary, Set<Binary>>> {
  const groups = new Map<Binary, Set<Binary>>();
  const drawn = [...new Set(keys)];
  for (const grouping of groupings) {
    for (const key of drawn) {
      const group = grouping.groupOf(key);
      if (group === null) continue;
      // Without a head a record stands for itself.
      const name = grouping.keysOf === undefined ? key : group;
      const known = groups.get(name);
      if (known === undefined) groups.set(name, new Set([key]));
      else known.add(key);
    }
  }
  const heads = [...groups.keys()].map((group) =>
    groupings.flatMap((grouping) => grouping.keysOf?.(group).head ?? [])
  );
  const there = await readExisting(store, [...new Set(heads.flat())]);
  [...groups].forEach(([group, own], i) => {
    const head = heads[i]!.findLast((key) => there.has(key));
    if (head === undefined) return;
    if (own.has(head)) groups.set(group, new Set([head]));
    else groups.delete(group);
  });
  return groups;
}

/** In random order, by Fisher and Yates. */
function shuffled<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
