/**
 * Finds out what the keys of a batch are: the originals among them, and where the copy of each goes.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import type { ReadContext } from "../context.ts";
import { type Facts, readFacts } from "../facts.ts";
import type { RedisStore } from "../store.ts";
import type { CopySpec, Pair } from "./copy_spec.ts";
import { anyLookalike } from "./lookalikes.ts";

/** True when some keys can only be told apart by asking other records. */
export async function hasLookalikes(spec: CopySpec, context: ReadContext): Promise<boolean> {
  const { lookalikes, fields } = spec;
  return lookalikes !== undefined && await anyLookalike({ ...lookalikes, fields }, context);
}

/** Finds out what the keys of a batch are. @returns The originals among them. */
export async function findPairs(
  spec: CopySpec,
  store: RedisStore,
  lookalikes: boolean,
  keys: readonly Binary[],
): Promise<Pair[]> {
  const rows = await readFields(store, keys, spec.fields);
  const pairs: Pair[] = [];
  const undecided: Binary[] = [];
  keys.forEach((source, i) => {
    const values = rows[i] ?? null;
    const guess = values === null ? null : spec.guess(source);
    const destination = guess !== null && values !== null && fits(guess.expect, values)
      ? guess
      : spec.decide(source, values, lookalikes);
    if (destination === "ask") undecided.push(source);
    else if (destination !== null) pairs.push({ ...destination, source, type: "hash", values: values! });
  });
  return undecided.length === 0 ? pairs : [...pairs, ...await askOthers(spec, store, undecided)];
}

/** True when a record's fields are as a guess expects. */
function fits(expect: readonly string[], values: Values): boolean {
  return expect.every((want, j) => want === "*" || want === (values[j] === null ? "-" : `+${values[j]}`));
}

async function askOthers(spec: CopySpec, store: RedisStore, keys: readonly Binary[]): Promise<Pair[]> {
  const own = await readFacts(store, keys, spec.fields);
  const asked = keys.flatMap((key) =>
    own.get(key)!.type === "none" ? [] : spec.questions(key, own.get(key)!)
  );
  const others = await readFacts(store, asked, spec.fields);
  const none: Facts = { type: "none", values: spec.fields.map(() => null) };
  return keys.flatMap((source) => {
    const facts = own.get(source)!;
    if (facts.type === "none") return [];
    const destination = spec.judge(source, facts, (key) => others.get(key) ?? none);
    return destination === null ? [] : [{ ...destination, source, ...facts }];
  });
}
