/**
 * Finds out which keys are originals, and where each of them goes.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import { readFacts } from "../facts.ts";
import type { RedisStore } from "../store.ts";
import type { CopyChange, Destination } from "./change.ts";

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

async function askOthers(change: CopyChange, store: RedisStore, keys: readonly Binary[]): Promise<Pair[]> {
  const factsOf = await readFacts(store, keys, change.fields);
  const there = keys.filter((key) => factsOf(key).type !== "none");
  const known = await readFacts(
    store,
    there.flatMap((key) => change.questions(key, factsOf(key))),
    change.fields,
  );
  return there.flatMap((source) => {
    const facts = factsOf(source);
    const destination = change.judge(source, facts, known);
    return destination === null ? [] : [{ ...destination, source, ...facts }];
  });
}
