/**
 * Records as they are moved between nodes: their dumps.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import { settleAll } from "../../settle_all.ts";
import { slices } from "../../slices.ts";
import { type FieldsRow, toRow, type Values } from "../bulk_reads.ts";
import { DIGEST_WHOLE, DIGESTED_AT_ONCE, READ_WHOLE } from "../scripts/reading.ts";
import type { RedisStore } from "../store.ts";

/** A record as it was read. */
export interface Whole {
  readonly dump: Buffer;
  /** Unix milliseconds, or 0 for none. */
  readonly endsAt: string;
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
  const args = fields.map(toArgument);
  const found = keys.map((): Whole | null | undefined => undefined);
  await store.onEachNode(keys, async (group) => {
    const answer = await store.evaluate(READ_WHOLE, group.map((i) => keys[i]!), args) as [
      Buffer,
      ...Buffer[],
    ];
    const rows = JSON.parse(fromBytes(answer[0])) as (Row | 0)[];
    let next = 1;
    rows.forEach((row, at) => found[group[at]!] = row === 0 ? null : toWhole(row, answer[next++]!, fields));
  });
  return found;
}

/** What {@linkcode READ_WHOLE} tells of a record. */
type Row = [endsAt: string, ...FieldsRow];

function toWhole([endsAt, ...told]: Row, dump: Buffer, { length }: readonly Binary[]): Whole {
  return { dump, endsAt, ...told.length === 0 ? { values: null } : toRow(told, length) };
}

/** Tells of each record whether it is as it was read. Those of a node are told together, as long as none has changed. */
export async function areAsBefore(
  store: RedisStore,
  keys: readonly Binary[],
  before: readonly Whole[],
): Promise<boolean[]> {
  const same = keys.map(() => false);
  const look = async (group: readonly number[]): Promise<void> => {
    const digests = Array.from(
      slices(group, DIGESTED_AT_ONCE),
      (some) => digestOf(some.map((i) => before[i]!)),
    );
    const now = await store.evaluate(DIGEST_WHOLE, group.map((i) => keys[i]!), []);
    if (String(now) === digests.join("")) { for (const i of group) same[i] = true; }
    else if (group.length > 1) {
      const half = group.length >> 1;
      await settleAll([group.slice(0, half), group.slice(half)].map(look));
    }
  };
  await store.onEachNode(keys, look);
  return same;
}

/** By the order of {@linkcode DIGEST_WHOLE}. */
function digestOf(records: readonly Whole[]): string {
  const ends = records.map(({ endsAt }) => endsAt).join(" ");
  const dumps = Buffer.concat(records.map(({ dump }) => dump));
  return createHash("sha1").update(`${ends}\n`).update(dumps).digest("hex");
}
