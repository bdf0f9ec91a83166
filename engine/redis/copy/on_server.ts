/**
 * Copies records within one server: proof of what the original is, and the copy itself, are one atomic step.
 *
 * @module
 */

import { type Binary, toArgument } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import { COPY } from "../scripts/copying.ts";
import type { Argument } from "../store.ts";
import { convertAfter } from "../transform/convert_records.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { CopyChange, ListKeys } from "./change.ts";
import { deadLists, prune } from "./dead_lists.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { toBeCopied, weigh } from "./weigh.ts";

/** A record that changes again and again is looked at again this often before it counts as failed. */
const ATTEMPTS = 50;

/** What is to be copied: source, target, and the type and fields that the source must have. */
interface Order extends ListKeys {
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
    // Once all had a copy, what a record tells of its time decides whether it is to get one again.
    const guess = context.doneSince === null ? change.guess(source) : null;
    if (guess === null) unclear.push(source);
    else orders.push({ source, type: "hash", ...guess });
  }
  unclear.push(...await execute(change, context, orders, size));
  for (let attempt = 1; unclear.length > 0; attempt++) {
    const pairs = await findPairs(change, context.store, lookalikes, unclear);
    const wanted = context.doneSince === null ? pairs : await toBeCopied(change, context, pairs);
    // A run that ended between copying and converting left copies that are there, and are not converted.
    const rest = pairs.filter((pair) => !wanted.includes(pair));
    await convertAfter(context, rest.map(({ target }) => target));
    unclear = await execute(change, context, wanted.map(toOrder), size);
    if (attempt === ATTEMPTS) {
      for (const key of unclear) context.tally.fail(key, "it changed each time before it could be copied");
      return;
    }
  }
}

function toOrder({ source, target, kind, type, values }: Pair): Order {
  return { source, target, kind, type, expect: values.map((value) => value === null ? "-" : `+${value}`) };
}

/** @returns The sources that are not as expected. */
async function execute(
  change: CopyChange,
  context: WriteContext,
  orders: readonly Order[],
  size: BatchSize,
): Promise<Binary[]> {
  const { store, fence, tally } = context;
  const dead = await deadLists(change, store, orders);
  tally.skipped += dead.size;
  let rest = orders.filter((order) => !dead.has(order));
  const [copied, others, again]: [Order[], Order[], Binary[]] = [[], [], []];
  while (rest.length > 0) {
    const keys: Argument[] = [];
    const args: Argument[] = [String(change.fields.length), ...change.fields.map(toArgument)];
    for (const { source, target, type, expect } of rest) {
      keys.push(toArgument(source), toArgument(target));
      args.push(type);
      for (const want of expect) args.push(toArgument(want));
    }
    const answer = await size.measure("write", rest.length, () => store.write(COPY, keys, args, fence));
    for (let i = 0; i < answer.length; i++) {
      const order = rest[i]!;
      if (answer[i] === "c") {
        tally.processed++;
        tally.recover(order.source);
        copied.push(order);
      } else if (answer[i] === "~") others.push(order);
      else if (answer[i] === "0") again.push(order.source);
    }
    rest = rest.slice(answer.length);
  }
  await prune(change, context, [...dead, ...copied, ...others]);
  await convertAfter(context, [...copied, ...others].map(({ target }) => target));
  await weigh(change, context, others);
  return again;
}
