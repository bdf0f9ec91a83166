/**
 * Records as they are moved between nodes: their dumps.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import { type FieldsRow, toRow, type Values } from "../bulk_reads.ts";
import { READ_WHOLE } from "../scripts/reading.ts";
import type { Argument, RedisStore } from "../store.ts";

/** A record as it was read. */
export interface Written {
  /** SHA-1 of its dump. */
  readonly digest: string;
  /** Unix milliseconds, or 0 for none. */
  readonly endsAt: string;
}

/** A record. */
export interface Whole extends Written {
  readonly dump: Buffer;
  /** The values of the fields that were asked for; null for what is no hash. */
  readonly values: Values | null;
  /** Of one that has none of these fields the names of its own, if they are not too many. */
  readonly names?: readonly Binary[] | undefined;
}

/** Reads a record. @returns Null when there is none. */
export async function readWhole(store: RedisStore, key: Binary): Promise<Whole | null> {
  const [whole] = await readWholes(store, [key]);
  return whole ?? null;
}

/**
 * Reads records.
 *
 * @param fields Whose values are to be told, as they were when the dump was.
 * @returns Null for none there; nothing for those that would have been too much at once.
 */
export async function readWholes(
  store: RedisStore,
  keys: readonly Binary[],
  fields: readonly Binary[] = [],
): Promise<(Whole | null | undefined)[]> {
  const args = ["0", ...fields.map(toArgument)];
  return await readRows(store, keys, args, ([endsAt, , ...told], dump) => ({
    dump: dump!,
    digest: createHash("sha1").update(dump!).digest("hex"),
    endsAt,
    ...told.length === 0 ? { values: null } : toRow(told, fields.length),
  }));
}

/** The same without their dumps, to compare them with what was read before. */
export async function readDigests(
  store: RedisStore,
  keys: readonly Binary[],
): Promise<(Written | null | undefined)[]> {
  return await readRows(store, keys, ["1"], ([endsAt, digest]) => ({ digest, endsAt }));
}

/** What {@linkcode READ_WHOLE} tells of a record. */
type Row = [endsAt: string, digest: string, ...FieldsRow];

async function readRows<One>(
  store: RedisStore,
  keys: readonly Binary[],
  args: readonly Argument[],
  toOne: (row: Row, dump: Buffer | undefined) => One,
) {
  const found = keys.map((): One | null | undefined => undefined);
  await store.onEachNode(keys, async (group) => {
    const answer = await store.evaluate(READ_WHOLE, group.map((i) => keys[i]!), args) as [
      Buffer,
      ...Buffer[],
    ];
    const rows = JSON.parse(fromBytes(answer[0])) as (Row | 0)[];
    let next = 1;
    rows.forEach((row, at) => found[group[at]!] = row === 0 ? null : toOne(row, answer[next++]));
  });
  return found;
}
