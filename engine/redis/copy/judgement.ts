/**
 * Judges pairs of original and copy, with a look at other records where the pair alone does not tell enough: a list of
 * records, which bears no time of its own, differs rightly where the records that it lists were changed.
 *
 * @module
 */

import { afterMigrations, type Content, judge, type Judgement, readContents } from "./content.ts";
import type { RedisStore } from "../store.ts";
import type { TransformChange } from "../transform/change.ts";
import type { ListedRecord } from "./change.ts";
import type { Pair } from "./pairs.ts";

/** What a pair was read as. */
export interface ReadPair {
  readonly pair: Pair;
  readonly original: Content;
  readonly copy: Content;
}

/** Judges pairs. @param listed Tells lists from other hashes; undefined where there are none. */
export async function judgePairs(
  store: RedisStore,
  pairs: readonly ReadPair[],
  later: readonly TransformChange[],
  listed: ListedRecord | undefined,
): Promise<Judgement[]> {
  const judgements = pairs.map(({ pair, original, copy }) => judge(pair.target, original, copy, later));
  if (listed === undefined) return judgements;
  return await Promise.all(judgements.map(async (judgement, i) => {
    if (judgement !== "different") return judgement;
    return await isExplained(store, pairs[i]!, later, listed) ? "newer" : judgement;
  }));
}

/** True when every field that differs stands for a record whose current form is newer, or was made or deleted since. */
async function isExplained(
  store: RedisStore,
  { pair, original, copy }: ReadPair,
  later: readonly TransformChange[],
  listed: ListedRecord,
): Promise<boolean> {
  if (original.fields === null || copy.fields === null || original.ttlMs !== copy.ttlMs) return false;
  const wanted = afterMigrations(pair.target, original.fields, later);
  const fields = [...new Set([...wanted.keys(), ...copy.fields.keys()])];
  const differing = fields.filter((field) => wanted.get(field) !== copy.fields!.get(field));
  const records = differing.map((field) => listed(pair, field));
  const keys = records.flatMap((record) => record === null ? [] : [record.source, record.target]);
  if (keys.length < 2 * records.length) return false;
  const contents = await readContents(store, keys, { digests: false });
  return records.every((record, i) => {
    const [before, now] = [contents[2 * i]!, contents[2 * i + 1]!];
    if (now === null) return before === null && !copy.fields!.has(differing[i]!); // Both gone, and off the list.
    // Without its original a record that was listed from the start tells nothing: cleanup may have deleted that.
    if (before === null) return !original.fields!.has(differing[i]!);
    return judge(record!.target, before, now, later) === "newer";
  });
}
