/**
 * What is known of a record: its type and a few fields. Read with read commands alone.
 *
 * @module
 */

import { type Binary, fromBytes, toArgument } from "./binary.ts";
import type { RedisStore } from "./store.ts";

/** Type and fields of one record, in the order in which the fields were asked for. */
export interface Facts {
  /** As TYPE says: `none` when there is no such record. */
  readonly type: string;
  /** Null for each field that is not there, and for all of a record that is no hash. */
  readonly values: readonly (Binary | null)[];
}

/** Of a record that is not there. */
export function noFacts(fields: readonly Binary[]): Facts {
  return { type: "none", values: fields.map(() => null) };
}

/**
 * Reads the facts of many records at once, each of them at one moment of its own.
 *
 * @returns Tells them; of a record that was not asked for, as if it were not there.
 */
export async function readFacts(
  store: RedisStore,
  keys: readonly Binary[],
  fields: readonly Binary[],
): Promise<(key: Binary) => Facts> {
  const names = fields.map(toArgument);
  const distinct = [...new Set(keys)];
  const replies = await store.callMany(distinct.flatMap((key) => {
    const argument = toArgument(key);
    return [["TYPE", argument], ["HMGET", argument, ...names]] as const;
  }));
  const none = noFacts(fields);
  const facts = new Map(distinct.map((key, i): [Binary, Facts] => {
    const type = String(replies[2 * i]);
    const values = replies[2 * i + 1];
    if (!Array.isArray(values)) return [key, { ...none, type }];
    const known = values as (Uint8Array | null)[];
    return [key, { type, values: known.map((value) => value === null ? null : fromBytes(value)) }];
  }));
  return (key) => facts.get(key) ?? none;
}
