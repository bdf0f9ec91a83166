/**
 * Copies records within one server: proof of what the original is, the copy itself, and what later migrations make of it are one
 * atomic step.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { Rows } from "../bulk_reads.ts";
import type { CopyContext } from "../context.ts";
import { COPY } from "../scripts/copying.ts";
import { type Chain, chainOf } from "../transform/chain.ts";
import { convertAfter, countTaken, goesOnBehind } from "../transform/convert_records.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { CopyChange } from "./change.ts";
import { deadLists, prune, readListed } from "./dead_lists.ts";
import { carryOut, type Order, partSame, readOrders } from "./orders.ts";
import { toBeCopied, weigh } from "./weigh.ts";

/** A record that changes again and again is looked at again this often before it counts as failed. */
const ATTEMPTS = 50;

/**
 * Copies one batch. Each record is read once and, where there is no copy of it, written once.
 *
 * @param read What was read of it already.
 */
export async function copyOnServer(
  change: CopyChange,
  context: CopyContext,
  lookalikes: boolean,
  batch: readonly Binary[],
  size: BatchSize,
  read?: Rows,
): Promise<void> {
  // Where there are lookalikes, what later migrations make of a copy is known only when it is there.
  const chain = chainOf(lookalikes ? [] : context.converted.map((one) => one.change), change.fields);
  const goesOn = goesOnBehind(context.converted, context);
  // Where all had a copy once, most of them have it still.
  const copyOf = context.doneSince === null || lookalikes ? undefined : change.likely;
  let keys = batch;
  for (let attempt = 1; keys.length > 0; attempt++) {
    const known = attempt === 1 ? read : undefined;
    const rows = known ?? await Rows.read(context.store, keys, chain.fields, { size, names: true, copyOf });
    const orders = await readOrders(change, { ...context, lookalikes }, chain, goesOn, keys, rows);
    const wanted = context.doneSince === null ? orders : await unlessThere(orders, rows);
    keys = await execute(change, context, chain, wanted, { size, lookalikes, rows });
    if (attempt === ATTEMPTS) {
      for (const key of keys) context.tally.fail(key, "it changed each time before it could be copied");
      return;
    }
  }

  async function unlessThere(orders: readonly Order[], rows: Rows): Promise<Order[]> {
    const { same, others } = lookalikes
      ? { same: [], others: orders }
      : await partSame(context.store, chain, orders, rows, size);
    for (const { source } of same) {
      context.tally.skipped++;
      context.tally.recover(source);
    }
    const wanted = await toBeCopied(change, { ...context, lookalikes }, others);
    // A run that ended between copying and converting left copies that are there, and are not converted.
    const rest = others.filter((order) => !wanted.includes(order));
    await convertAfter(context, rest.map(({ target }) => target), lookalikes);
    return wanted;
  }
}

/** @returns The sources that are not as expected. */
async function execute(
  change: CopyChange,
  context: CopyContext,
  chain: Chain,
  orders: readonly Order[],
  { size, lookalikes, rows }: { readonly size: BatchSize; readonly lookalikes: boolean; readonly rows: Rows },
): Promise<Binary[]> {
  const { store, tally } = context;
  const lists = await readListed(change, store, orders, (key) => rows.namesOf(key));
  const dead = new Set(await deadLists(change, store, orders.filter((order) => !lists.has(order))));
  const alive = orders.filter((order) => !dead.has(order)).map((order) => ({
    ...order,
    listed: lists.get(order),
  }));
  const [copied, others, again]: [Order[], Order[], Binary[]] = [[], [], []];
  for await (const [order, answer] of carryOut(COPY, context, chain, alive, size, change)) {
    if (answer === "c") {
      tally.processed++;
      tally.recover(order.source);
      countTaken(context.converted, order.target, order.outcomes, context);
      copied.push(order);
    } else if (answer === "~") others.push(order);
    else if (answer === "d") dead.add(order);
    else if (answer === "0") again.push(order.source);
  }
  const long = copied.filter(({ listed }) => listed === undefined);
  await prune(change, context, [...dead, ...long, ...others]);
  const unconverted = lookalikes ? [...copied, ...others] : others;
  await convertAfter(context, unconverted.map(({ target }) => target), lookalikes);
  await weigh(change, { ...context, lookalikes }, [...dead, ...others]);
  return again;
}
