/**
 * Finds out which keys are originals, and where each of them goes.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import { noFacts, readFacts } from "../facts.ts";
import type { RedisStore } from "../store.ts";
import type { BothKeys, CopyChange, Destination } from "./change.ts";

/** An original with the key of its copy. */
export interface Pair extends Destination {
  readonly source: Binary;
  /** Type of the original. */
  readonly type: string;
  /** The fields that decided. */
  readonly values: Values;
}

/**
 * Finds out what the keys of a batch are.
 *
 * @param read The fields that decide, where they were read.
 * @returns The originals among them.
 */
export async function findPairs(
  change: CopyChange,
  store: RedisStore,
  lookalikes: boolean,
  keys: readonly Binary[],
  read?: readonly (Values | null)[],
): Promise<Pair[]> {
  const rows = read ?? await readFields(store, keys, change.fields);
  const pairs: Pair[] = [];
  const undecided: Binary[] = [];
  keys.forEach((source, i) => {
    const values = rows[i] ?? null;
    const destination = change.decide(source, values, lookalikes);
    if (destination === "ask") undecided.push(source);
    else if (destination !== null) pairs.push({ ...destination, source, type: "hash", values: values! });
  });
  if (undecided.length > 0) pairs.push(...await askOthers(change, store, undecided));
  // What is where it goes has no copy: it would prove itself, and be deleted.
  return pairs.filter(({ source, target }) => source !== target);
}

/**
 * Finds what stands where a copy goes and may be an original itself: it would be one if theirs were not there.
 *
 * @returns The sources of these pairs. Without lookalikes there are none.
 */
export async function findContested(
  change: CopyChange,
  store: RedisStore,
  pairs: readonly BothKeys[],
): Promise<Set<Binary>> {
  if (change.lookalikes === undefined || pairs.length === 0) return new Set();
  const sourceOf = new Map(pairs.map(({ source, target }) => [target, source]));
  const targets = [...sourceOf.keys()];
  const rows = await readFields(store, targets, change.fields);
  const undecided = targets.filter((key, i) => change.decide(key, rows[i] ?? null, true) === "ask");
  const contested = await askOthers(change, store, undecided, sourceOf);
  const keys = new Set(contested.map(({ source }) => source));
  return new Set(pairs.filter(({ target }) => keys.has(target)).map(({ source }) => source));
}

/** @param without For some keys another one that is taken for absent. */
async function askOthers(
  change: CopyChange,
  store: RedisStore,
  keys: readonly Binary[],
  without?: ReadonlyMap<Binary, Binary>,
): Promise<Pair[]> {
  const factsOf = await readFacts(store, keys, change.fields);
  const there = keys.filter((key) => factsOf(key).type !== "none");
  const known = await readFacts(
    store,
    there.flatMap((key) => change.questions(key, factsOf(key))),
    change.fields,
  );
  return there.flatMap((source) => {
    const facts = factsOf(source);
    const absent = without?.get(source);
    const destination = change.judge(
      source,
      facts,
      absent === undefined ? known : (key) => key === absent ? noFacts(change.fields) : known(key),
    );
    return destination === null ? [] : [{ ...destination, source, ...facts }];
  });
}
