/**
 * Changes hashes in place, batch by batch, each by compare-and-set.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import type { ReadContext, WriteContext } from "../context.ts";
import { anyLookalike } from "../lookalikes.ts";
import { BatchSize, ReplyClock } from "../walk/pacing.ts";
import { Tally } from "../walk/tally.ts";
import { walk } from "../walk/walk.ts";
import { isInconvertible, type TransformChange, whyNot } from "./change.ts";
import { type FieldWrite, writeFields } from "./field_writes.ts";
import { kindsOf, mayBeAny } from "./kinds.ts";

/** A record that changes again and again is read again this often before it counts as failed. */
const ATTEMPTS = 50;

/** Changes every record that needs it. */
export async function convertRecords(change: TransformChange, context: WriteContext): Promise<void> {
  const others = await findLookalikes(change, context);
  await walk(context.store, {
    ...context,
    pattern: change.pattern,
    visit: (keys, size) => convert(change, context, others, keys, size),
  });
}

/** Changes copies that were made after later migrations had run: what these say of themselves stays true. */
export async function convertAfter(context: WriteContext, copies: readonly Binary[]): Promise<void> {
  const tally = new Tally();
  for (const change of context.converted) {
    const size = new BatchSize(new ReplyClock(), "records");
    await convert(change, { ...context, tally }, change.lookalikes !== undefined, copies, size);
  }
  for (const [key, why] of tally.failures) context.tally.fail(key, why);
}

/** What the migrations after a copy that are applied make of a record that is about to be written: fields to set, with values. */
export async function changesAfterCopy(
  { store, converted }: Pick<WriteContext, "store" | "converted">,
  key: Binary,
  fields: ReadonlyMap<Binary, Binary>,
): Promise<Map<Binary, Binary>> {
  const set = new Map<Binary, Binary>();
  for (const change of converted) {
    if (!mayBeAny(change, key)) continue;
    const values = change.fields.map((field) => set.get(field) ?? fields.get(field) ?? null);
    const [kind = null] = await kindsOf(change, store, true, [key], [values]);
    const changes = kind === null ? null : change.change(kind, values);
    if (changes === null || isInconvertible(changes)) continue;
    for (let i = 0; i + 1 < changes.length; i += 2) set.set(changes[i]!, changes[i + 1]!);
  }
  return set;
}

/** True when there are records of another kind with keys of this form. */
export async function findLookalikes(
  { lookalikes }: TransformChange,
  context: ReadContext,
): Promise<boolean> {
  return lookalikes !== undefined && await anyLookalike(lookalikes, context);
}

/** Converts one batch; what changes meanwhile is read again. */
async function convert(
  change: TransformChange,
  context: WriteContext,
  others: boolean,
  batch: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const { store, tally } = context;
  let keys = batch.filter((key) => mayBeAny(change, key));
  for (let attempt = 1; keys.length > 0; attempt++) {
    const rows = await size.measure(
      "read",
      keys.length,
      () => readFields(store, keys, change.fields),
      bytesOf,
    );
    const kinds = await kindsOf(change, store, others, keys, rows);
    const todo = decide(change, context, keys, rows, kinds);
    if (todo.length === 0) return;
    const results = await size.measure("write", todo.length, () => writeFields(context, change.fields, todo));
    const again: Binary[] = [];
    todo.forEach(({ key }, i) => {
      if (results[i] === "1") {
        tally.processed++;
        tally.recover(key);
      } else if (results[i] === "0") again.push(key); // A record that is gone, "-", stays gone.
    });
    if (attempt === ATTEMPTS) {
      for (const key of again) tally.fail(key, "it changed each time before it could be written");
      return;
    }
    keys = again;
  }
}

function bytesOf(rows: readonly (Values | null)[]): number {
  let sum = 0;
  for (const row of rows) for (const value of row ?? []) sum += value?.length ?? 0;
  return sum;
}

/** Counts what needs nothing or cannot be converted. @returns What is to be written. */
function decide(
  change: TransformChange,
  { tally, skipInvalid }: WriteContext,
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
  kinds: readonly (string | null)[],
): FieldWrite[] {
  const todo: FieldWrite[] = [];
  for (let index = 0; index < keys.length; index++) {
    const kind = kinds[index];
    if (kind === null || kind === undefined) continue;
    const [key, values] = [keys[index]!, rows[index]!];
    const changes = change.change(kind, values);
    if (isInconvertible(changes)) {
      const why = whyNot(change, values, changes);
      if (skipInvalid) {
        tally.invalid++;
        tally.skipped++;
        tally.note(`${display(key)}: left as it is, ${why}`);
      } else tally.fail(key, why);
    } else if (changes === null) {
      tally.skipped++;
      tally.recover(key);
    } else todo.push({ key, values, changes });
  }
  return todo;
}
