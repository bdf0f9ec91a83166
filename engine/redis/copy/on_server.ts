/**
 * Copies records within one server: proof of what the original is, the copy itself, and what later migrations make of it are one
 * atomic step.
 *
 * @module
 */

import { type Binary, toArgument } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { COPY, type CopyOrders } from "../scripts/copying.ts";
import { type Chain, chainOf, follow, take, type Taken } from "../transform/chain.ts";
import { convertAfter, countTaken, goesOnBehind } from "../transform/convert_records.ts";
import { packWrites } from "../transform/field_writes.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { CopyChange, ListKeys } from "./change.ts";
import { deadLists, prune } from "./dead_lists.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { toBeCopied, weigh } from "./weigh.ts";

/** A record that changes again and again is looked at again this often before it counts as failed. */
const ATTEMPTS = 50;

/** What is to be copied: what the source must be, and what is to be set in the copy. */
interface Order extends ListKeys, Taken {
  readonly type: string;
  readonly values: Values;
}

/** Copies one batch. Each record is read once and, where there is no copy of it, written once. */
export async function copyOnServer(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
  batch: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  // Where there are lookalikes, what later migrations make of a copy is known only when it is there.
  const chain = chainOf(lookalikes ? [] : context.converted.map((one) => one.change), change.fields);
  const columns = change.fields.map((field) => chain.fields.indexOf(field));
  let keys = batch;
  for (let attempt = 1; keys.length > 0; attempt++) {
    const rows = await size.measure(
      "read",
      keys.length,
      () => readFields(context.store, keys, chain.fields),
    );
    const own = rows.map((row) => row && columns.map((column) => row[column] ?? null));
    const pairs = await findPairs(change, context.store, lookalikes, keys, own);
    const wanted = context.doneSince === null ? pairs : await toBeCopied(change, context, pairs);
    // A run that ended between copying and converting left copies that are there, and are not converted.
    const rest = pairs.filter((pair) => !wanted.includes(pair));
    await convertAfter(context, rest.map(({ target }) => target), lookalikes);
    const rowOf = new Map(keys.map((key, i) => [key, rows[i] ?? null]));
    const orders = wanted.map((pair) => toOrder(chain, columns, context, pair, rowOf.get(pair.source)!));
    keys = await execute(change, context, chain, orders, size, lookalikes);
    if (attempt === ATTEMPTS) {
      for (const key of keys) context.tally.fail(key, "it changed each time before it could be copied");
      return;
    }
  }
}

function toOrder(
  chain: Chain,
  columns: readonly number[],
  context: WriteContext,
  { source, target, kind, type, values: deciding }: Pair,
  row: Values | null,
): Order {
  // What decided may have been read later than the rest: the server compares all of it.
  const values = chain.fields.map((_, i) => {
    const own = columns.indexOf(i);
    return (own < 0 ? row?.[i] : deciding[own]) ?? null;
  });
  const outcomes = type === "hash" ? follow(chain, target, values) : [];
  const taken = take(outcomes, goesOnBehind(context.converted, context));
  return { source, target, kind, type, values, ...taken };
}

/** @returns The sources that are not as expected. */
async function execute(
  change: CopyChange,
  context: WriteContext,
  { fields }: Chain,
  orders: readonly Order[],
  size: BatchSize,
  lookalikes: boolean,
): Promise<Binary[]> {
  const { store, fence, tally } = context;
  const dead = await deadLists(change, store, orders);
  tally.skipped += dead.size;
  let rest = orders.filter((order) => !dead.has(order));
  const [copied, others, again]: [Order[], Order[], Binary[]] = [[], [], []];
  while (rest.length > 0) {
    const keys = rest.flatMap(({ source, target }) => [toArgument(source), toArgument(target)]);
    const writes = packWrites(fields, rest.map((order) => ({ ...order, key: order.target })));
    const told: CopyOrders = { ...writes, types: rest.map(({ type }) => type) };
    const args = [toArgument(JSON.stringify(told))];
    const answer = await size.measure("write", rest.length, () => store.write(COPY, keys, args, fence));
    for (let i = 0; i < answer.length; i++) {
      const order = rest[i]!;
      if (answer[i] === "c") {
        tally.processed++;
        tally.recover(order.source);
        countTaken(context.converted, order.target, order.outcomes, context);
        copied.push(order);
      } else if (answer[i] === "~") others.push(order);
      else if (answer[i] === "0") again.push(order.source);
    }
    rest = rest.slice(answer.length);
  }
  await prune(change, context, [...dead, ...copied, ...others]);
  const unconverted = lookalikes ? [...copied, ...others] : others;
  await convertAfter(context, unconverted.map(({ target }) => target), lookalikes);
  await weigh(change, context, others);
  return again;
}
