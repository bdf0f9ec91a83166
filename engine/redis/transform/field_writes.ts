/**
 * Writes fields of many records at once, each by compare-and-set.
 *
 * @module
 */

import { type Binary, decodeText, display, isBytes, toBuffer } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { type FieldWrites, WRITE_FIELDS } from "../scripts/writing.ts";

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
    const writes = toBuffer(JSON.stringify(packWrites(fields, records)));
    const answer = await store.write(WRITE_FIELDS, keys, [writes], fence);
    group.forEach((i, at) => results[i] = answer[at]!);
  });
  return results;
}

/** Most records of a batch have the same fields set: their names are sent once. */
export function packWrites(fields: readonly Binary[], records: readonly FieldWrite[]): FieldWrites {
  const numbers = new Map<string, number>();
  const shapes: string[][] = [];
  const values: (string | false | number)[] = [];
  for (const { key, values: before, changes } of records) {
    for (const value of before) values.push(value ?? false);
    if (changes.length % 2 !== 0) throw refusal(key, `${changes.at(-1)} has no value`);
    let name = "";
    for (let at = 0; at < changes.length; at += 2) name += `${changes[at]!.length}:${changes[at]}`;
    let number = numbers.get(name);
    if (number === undefined) {
      number = shapes.push(shapeOf(key, changes));
      numbers.set(name, number);
    }
    values.push(number);
    for (let at = 1; at < changes.length; at += 2) {
      const value = changes[at]!;
      if (!isBytes(value)) {
        throw refusal(key, `the value of ${changes[at - 1]} is text, encodeText() makes bytes of it`);
      }
      values.push(value);
    }
  }
  return { fields, shapes, values };
}

/** The names of the fields to set. */
function shapeOf(key: Binary, changes: readonly string[]): string[] {
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
