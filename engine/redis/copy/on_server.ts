/**
 * Copies records within one server: proof of what the original is, and the copy itself, are one atomic step.
 *
 * @module
 */

import { type Binary, display, toArgument } from "../binary.ts";
import { judge, readContents } from "./content.ts";
import type { CopyChange } from "./change.ts";
import { findPairs, type Pair } from "./pairs.ts";
import type { WriteContext } from "../context.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { COPY } from "../scripts/copying.ts";
import type { Argument } from "../store.ts";

/** A record that changes again and again is looked at again this often before it counts as failed. */
const ATTEMPTS = 50;

/** What is to be copied: source, target, and the type and fields that the source must have. */
interface Order {
  readonly source: Binary;
  readonly target: Binary;
  readonly type: string;
  readonly expect: readonly string[];
}

/** Copies one batch. Keys that tell enough by themselves take one command; the others are looked at first. */
export async function copyOnServer(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const orders: Order[] = [];
  let unclear: Binary[] = [];
  for (const source of keys) {
    const guess = change.guess(source);
    if (guess === null) unclear.push(source);
    else orders.push({ source, type: "hash", ...guess });
  }
  unclear.push(...await execute(change, context, orders, size));
  for (let attempt = 1; unclear.length > 0; attempt++) {
    const pairs = await findPairs(change, context.store, lookalikes, unclear);
    unclear = await execute(change, context, pairs.map(toOrder), size);
    if (attempt === ATTEMPTS) {
      for (const key of unclear) context.tally.fail(key, "it changed each time before it could be copied");
      return;
    }
  }
}

function toOrder({ source, target, type, values }: Pair): Order {
  return { source, target, type, expect: values.map((value) => value === null ? "-" : `+${value}`) };
}

/** @returns The sources that are not as expected. */
async function execute(
  change: CopyChange,
  context: WriteContext,
  orders: readonly Order[],
  size: BatchSize,
): Promise<Binary[]> {
  if (orders.length === 0) return [];
  const { store, fence, tally } = context;
  const keys: Argument[] = [];
  const args: Argument[] = [String(change.fields.length), ...change.fields.map(toArgument)];
  for (const { source, target, type, expect } of orders) {
    keys.push(toArgument(source), toArgument(target));
    args.push(type);
    for (const want of expect) args.push(toArgument(want));
  }
  const answer = await size.measure("write", orders.length, () => store.write(COPY, keys, args, fence));
  const again: Binary[] = [];
  const others: Order[] = [];
  orders.forEach((order, i) => {
    const result = answer[i];
    if (result === "c") tally.processed++;
    else if (result === "=") tally.skipped++;
    else if (result === "~") others.push(order);
    else if (result === "0") again.push(order.source);
  });
  await weigh(context, others);
  return again;
}

/** Counts records whose target holds something else: a later form of the same, or a conflict, which is kept. */
export async function weigh(
  { store, tally, later }: WriteContext,
  pairs: readonly { readonly source: Binary; readonly target: Binary }[],
): Promise<void> {
  const contents = await readContents(store, pairs.flatMap(({ source, target }) => [source, target]), {
    digests: false,
  });
  pairs.forEach(({ target }, i) => {
    const [original, copy] = [contents[2 * i]!, contents[2 * i + 1]!];
    if (original === null) return;
    if (copy !== null && judge(target, original, copy, later) === "same") tally.skipped++;
    else {
      tally.conflicts++;
      tally.note(`${display(target)}: kept, it is newer than the record that was to be copied there`);
    }
  });
}
