/**
 * Records as they are moved between nodes: their dumps.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Binary, fromBytes } from "../binary.ts";
import { READ_WHOLE } from "../scripts/reading.ts";
import type { RedisStore } from "../store.ts";

/** A record as it was read, or as a marker tells. */
export interface Written {
  /** SHA-1 of its dump; where one of several may have been written, of each, parted by commas. */
  readonly digest: string;
  /** Unix milliseconds, or 0 for none. */
  readonly endsAt: string;
}

/** A record. */
export interface Whole extends Written {
  readonly dump: Buffer;
}

/** Reads a record. @returns Null when there is none. */
export async function readWhole(store: RedisStore, key: Binary): Promise<Whole | null> {
  const [whole] = await readWholes(store, [key]);
  return whole ?? null;
}

/** Reads records. @returns Null for none there; nothing for those that would have been too much at once. */
export async function readWholes(
  store: RedisStore,
  keys: readonly Binary[],
): Promise<(Whole | null | undefined)[]> {
  const rows = await readRows(store, keys, []);
  return rows.map((row) =>
    row &&
    { dump: row[0], digest: createHash("sha1").update(row[0]).digest("hex"), endsAt: fromBytes(row[1]) }
  );
}

/** The same without their dumps, to compare them with what was read before. */
export async function readDigests(
  store: RedisStore,
  keys: readonly Binary[],
): Promise<(Written | null | undefined)[]> {
  const rows = await readRows(store, keys, ["1"]);
  return rows.map((row) => row && { digest: fromBytes(row[0]), endsAt: fromBytes(row[1]) });
}

async function readRows(store: RedisStore, keys: readonly Binary[], args: readonly string[]) {
  const found = keys.map((): [Buffer, Buffer] | null | undefined => undefined);
  await store.onEachNode(keys, async (group) => {
    const rows = await store.evaluate(
      READ_WHOLE,
      group.map((i) => keys[i]!),
      args,
    ) as ([Buffer, Buffer] | null)[];
    rows.forEach((row, at) => found[group[at]!] = row);
  });
  return found;
}
