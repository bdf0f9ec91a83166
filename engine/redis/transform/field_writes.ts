/**
 * Writes fields of many records at once, each by compare-and-set.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type Binary, decodeText, display, isBytes, toBuffer } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import type { Listed } from "../scripts/listing.ts";
import { type Orders, type Shape, WRITE_FIELDS } from "../scripts/writing.ts";

/** One record that is to be changed. */
export interface FieldWrite {
  readonly key: Binary;
  /** What was read: the write happens only if it is still so. */
  readonly values: Values;
  /** Fields to set, each followed by its value. */
  readonly changes: readonly string[];
}

/**
 * Writes what is still as it was read.
 *
 * @param fields Names of the fields that were read.
 * @returns For each record `1` written, `0` changed meanwhile, `-` gone.
 * @throws {TypeError} When changes are no pairs of bytes.
 */
export async function writeFields(
  { store, fence }: Pick<WriteContext, "store" | "fence">,
  fields: readonly Binary[],
  todo: readonly FieldWrite[],
): Promise<string[]> {
  const results: string[] = new Array(todo.length);
  await store.onEachNode(todo.map(({ key }) => key), async (group) => {
    const records = group.map((i) => todo[i]!);
    const keys = records.map(({ key }) => key);
    const answer = await store.write(WRITE_FIELDS, keys, [packOrders(fields, records)], fence);
    group.forEach((i, at) => results[i] = answer[at]!);
  });
  return results;
}

/** Tells scripts of records: {@linkcode Orders}. */
export function packOrders(
  fields: readonly Binary[],
  records: readonly (FieldWrite & Pick<Partial<Shape>, "type"> & { readonly listed?: Listed | undefined })[],
  deletedAt: Binary = "",
): Buffer {
  const numbers = new Map<string, number>();
  const shapes: Shape[] = [];
  const values: (Binary | false | number | Listed)[] = [];
  for (const { key, values: before, changes, type = "hash", listed } of records) {
    if (changes.length % 2 !== 0) throw refusal(key, `${changes.at(-1)} has no value`);
    const lists = listed !== undefined;
    let there = 0;
    for (const value of before) if (value !== null) there++;
    let name = `${type} ${there} ${lists} `;
    for (let at = 0; at < changes.length; at += 2) name += `${changes[at]!.length}:${changes[at]}`;
    let number = numbers.get(name);
    if (number === undefined) {
      const set = namesIn(key, changes);
      number = shapes.push({ type, there, set, lists, size: set.length + Number(lists) });
      numbers.set(name, number);
    }
    values.push(number);
    for (const value of before) values.push(value ?? false);
    for (let at = 1; at < changes.length; at += 2) {
      const value = changes[at]!;
      if (!isBytes(value)) {
        throw refusal(key, `the value of ${changes[at - 1]} is text, encodeText() makes bytes of it`);
      }
      values.push(value);
    }
    if (listed !== undefined) values.push(listed);
  }
  const orders: Orders = { fields, shapes, values, deletedAt };
  return toBuffer(JSON.stringify(orders));
}

/** The names of the fields to set. */
function namesIn(key: Binary, changes: readonly string[]): string[] {
  const names = changes.filter((_, at) => at % 2 === 0);
  for (const name of names) {
    if (decodeText(name) === null) {
      throw refusal(key, `the name "${name}" is text, encodeText() makes bytes of it`);
    }
  }
  return names;
}

/** Names the record and the field, never what is in it. */
function refusal(key: Binary, reason: string): TypeError {
  return new TypeError(`Cannot change ${display(key)}: ${reason}`);
}
