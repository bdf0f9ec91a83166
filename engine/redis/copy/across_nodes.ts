/**
 * Copies records in a cluster, where original and copy are on different nodes and no step is atomic over both. The copy is written
 * under a free name only, and marked in the same step, in the slot where it goes; then the original is read again. If it changed,
 * the copy follows, and if it is gone, the copy goes too: each only while the copy is still what was written. Then the marker
 * goes. A run that dies in between leaves markers, which the next one follows up. Each step takes all records of a node at once.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Binary, display, toArgument, toBuffer } from "../binary.ts";
import type { CopyContext } from "../context.ts";
import { isTooLong } from "../errors.ts";
import { REPLACE_OWN, RESTORE_NEW, type Restoring } from "../scripts/copying_across_nodes.ts";
import type { Listed } from "../scripts/listing.ts";
import { chainOf } from "../transform/chain.ts";
import { convertAfter, countTaken, goesOnBehind } from "../transform/convert_records.ts";
import { type BatchSize, throwIfAborted } from "../walk/pacing.ts";
import { matcherOf } from "../walk/pattern.ts";
import type { BothKeys, CopyChange } from "./change.ts";
import { deadLists, prune, readListed } from "./dead_lists.ts";
import { findMarkers, markerOf, markersOf, pairsOf, unmark } from "./markers.ts";
import { type Order, toOrders } from "./orders.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { toBeCopied, weigh } from "./weigh.ts";
import { areAsBefore, readWhole, readWholes, type Whole } from "./whole.ts";

/** An original that changes again and again is followed this often before it counts as failed. */
const ATTEMPTS = 50;

/** Copies one batch. */
export async function copyAcrossNodes(
  change: CopyChange,
  context: CopyContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const { store, doneSince } = context;
  // What is hardly to be copied is looked at before it is read whole.
  const isAmong = matcherOf(doneSince === null ? change.amongCopies ?? "*" : "*");
  const pairs = await findPairs(change, store, lookalikes, keys.filter(isAmong));
  const wanted = doneSince === null ? pairs : await toBeCopied(change, { ...context, lookalikes }, pairs);
  const rest = pairs.filter((pair) => !wanted.includes(pair));
  await convertAfter(context, rest.map(({ target }) => target), lookalikes);
  const known = new Map(wanted.map((pair) => [pair.source, pair]));
  await copyMany(
    change,
    context,
    lookalikes,
    keys.filter((key) => known.has(key) || !isAmong(key)),
    known,
    size,
  );
}

/** Follows up what earlier runs wrote and did not prove, as far as it was not found by its original. */
export async function followUp(
  change: CopyChange,
  context: CopyContext,
  lookalikes: boolean,
): Promise<void> {
  const { store, signal } = context;
  for (const key of await findMarkers(context)) {
    throwIfAborted(signal);
    const flat = await store.call("HGETALL", [toArgument(key)]) as Buffer[];
    for (const pair of pairsOf(flat)) {
      const pairs = await findPairs(change, store, lookalikes, [pair.source]);
      const isDead = (await deadLists(change, store, pairs)).size > 0;
      if (!isDead || await readWhole(store, pair.source) === null) {
        const isTaken = await copyOne(context, pair);
        const isProven = !context.tally.failures.has(pair.source); // Another is known by what was written.
        if (isProven) await convertAfter(context, [pair.target], lookalikes, !isTaken);
      }
      await prune(change, context, pairs);
      if (isDead) await unmark(context, [pair]); // What a run had copied of it was just taken away.
    }
  }
}

/**
 * Copies records, in each step all that are on one node at once. A copy is written as later migrations make it.
 *
 * @param known What some of them are.
 */
async function copyMany(
  change: CopyChange,
  context: CopyContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  known: ReadonlyMap<Binary, Pair>,
  size: BatchSize,
): Promise<void> {
  const { store, converted } = context;
  // Where there are lookalikes, what later migrations make of a copy is known only when it is there.
  const chain = chainOf(lookalikes ? [] : converted.map((one) => one.change), change.fields);
  for (let rest = keys; rest.length > 0;) {
    const wholes = await readWholes(store, rest, chain.fields);
    const found = new Map(rest.flatMap((key, i) => wholes[i] ? [[key, wholes[i]] as const] : []));
    const rowOf = new Map([...found].map(([key, { values }]) => [key, values ?? []]));
    const others = [...found.keys()].filter((key) => !known.has(key));
    const own = others.map((key) => found.get(key)!.values?.slice(0, change.fields.length) ?? null);
    const pairs = [
      ...[...found.keys()].flatMap((key) => known.get(key) ?? []),
      ...await findPairs(change, store, lookalikes, others, own),
    ];
    // What is made of a copy is made of what is written, whatever was read before or after it.
    const read = pairs.map((pair) => ({
      ...pair,
      type: found.get(pair.source)!.values === null ? "other" : "hash",
      values: [],
    }));
    const orders = toOrders(chain, goesOnBehind(converted, context), read, rowOf);
    const lists = await readListed(change, store, orders, (key) => found.get(key)?.names);
    for (const [order, [owner, records]] of lists) {
      const keys = [order.target, owner, ...Object.values(records)];
      if (store.byNode(keys).length > 1) lists.delete(order); // No step of a server can see all.
    }
    const dead = new Set(await deadLists(change, store, orders.filter((order) => !lists.has(order))));
    const copying = orders.filter((order) => !dead.has(order))
      .map((pair) => ({
        pair,
        original: found.get(pair.source)!,
        listed: lists.get(pair),
        changes: pair.changes,
      }));
    const work = () => restore(context, copying, "new", change.deletedAt);
    const answers = await size.measure("write", copying.length, work);
    const answered = (...some: string[]) =>
      copying.filter((_, i) => some.includes(answers[i]!)).map(({ pair }) => pair);
    const written = answered("c", "l");
    const sources = written.map(({ source }) => source);
    const isSame = await areAsBefore(store, sources, sources.map((source) => found.get(source)!));
    const same = written.filter((_, i) => isSame[i]);
    await proven(context, same);
    for (const { target, outcomes } of same) countTaken(converted, target, outcomes, context);
    for (const order of answered("d")) dead.add(order);
    const [taken, unsure] = [[...dead], [] as Order[]];
    // One by one, and after the others are proven: two originals may have one name to go to.
    for (const pair of [...written.filter((_, i) => !isSame[i]), ...answered("m")]) {
      (await copyOne(context, pair) ? taken : unsure).push(pair);
    }
    taken.push(...answered("~"));
    const clean = new Set(answered("c").filter((order) => lists.has(order) && same.includes(order)));
    await prune(change, context, orders.filter((order) => !clean.has(order)));
    // One that could not be proven is known by what was written.
    const convert = async (some: readonly Order[], areNew: boolean) => {
      const known = some.filter(({ source }) => !context.tally.failures.has(source));
      await convertAfter(context, known.map(({ target }) => target), lookalikes, areNew);
    };
    await convert(lookalikes ? orders : taken, false);
    if (!lookalikes) await convert(unsure, true);
    await weigh(change, { ...context, lookalikes }, taken);
    rest = rest.filter((_, i) => wholes[i] === undefined);
  }
}

/** A pair that is copied, what its original is, what it lists, where one node has all of that, and fields to set in the copy. */
interface Copying {
  readonly pair: BothKeys;
  readonly original: Whole;
  readonly listed?: Listed | undefined;
  readonly changes?: readonly string[];
}

/** @returns What {@linkcode RESTORE_NEW} says of each. */
async function restore(
  context: CopyContext,
  copying: readonly Copying[],
  mode: "new" | "over",
  deletedAt: Binary = "",
): Promise<string[]> {
  const { store, fence, markers } = context;
  const answers: string[] = [];
  await store.onEachNode(copying.map(({ pair }) => pair.target), async (group) => {
    const some = group.map((i) => copying[i]!);
    const keys = some.flatMap(({ pair: { target } }) => [target, markersOf(markers, target)]);
    const lines = some.map(({ pair, original, changes }) => markerOf(pair, original.endsAt, changes));
    const about: Restoring = {
      deletedAt,
      lists: some.map(({ listed }) => listed ?? false),
      sizes: some.flatMap(({ original }, at) => [lines[at]!.length, original.dump.length]),
    };
    // Together: an argument of its own for each takes both sides longer.
    const dumps = Buffer.concat(some.map(({ original }) => original.dump));
    const args = [mode, toBuffer(JSON.stringify(about)), toBuffer(`[${lines}]`), dumps];
    const answer = await orNamed(context, some, store.write(RESTORE_NEW, keys, args, fence));
    group.forEach((i, at) => answers[i] = answer[at]!);
  });
  return answers;
}

/** Names the largest of some records when they are more than a server takes at once, which closes the connection then. */
async function orNamed(
  { tally }: CopyContext,
  some: readonly Copying[],
  write: Promise<string>,
): Promise<string> {
  try {
    return await write;
  } catch (error) {
    if (isTooLong(error)) {
      const { pair, original } = some.reduce((a, b) =>
        b.original.dump.length > a.original.dump.length ? b : a
      );
      const where = `the server of ${display(pair.target)} takes at once (proto-max-bulk-len)`;
      tally.fail(
        pair.source,
        `its ${original.dump.length} bytes, with what is sent along, are more than ${where}`,
      );
    }
    throw error;
  }
}

/** Copies a record, or follows up what was written of it before. @returns True when the target's name is taken. */
async function copyOne(context: CopyContext, pair: BothKeys): Promise<boolean> {
  const { store } = context;
  const original = await readWhole(store, pair.source);
  let [answer] = original === null ? ["m"] : await restore(context, [{ pair, original }], "new");
  if (answer === "m") {
    const args = [toArgument(markersOf(context.markers, pair.target)), toArgument(pair.target)];
    if (await store.call("HGET", args) === null) return original !== null;
    [answer] = original === null ? ["~"] : await restore(context, [{ pair, original }], "over");
    if (answer === "~") return await prove(context, pair, null);
  }
  return answer === "c" ? await prove(context, pair, original!) : true;
}

/** Counts copies that are what their originals are, as their markers go. */
async function proven(context: CopyContext, pairs: readonly BothKeys[]): Promise<void> {
  await unmark(context, pairs);
  context.tally.processed += pairs.length;
  for (const { source } of pairs) context.tally.recover(source);
}

/**
 * Makes a copy what its original is, while it is still what was written.
 *
 * @param first What was written; null where nobody knows.
 * @returns True when it is not any more.
 */
async function prove(context: CopyContext, pair: BothKeys, first: Whole | null): Promise<boolean> {
  const { store, fence, tally } = context;
  let written = first;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const now = await readWhole(store, pair.source);
    if (now?.endsAt === written?.endsAt && written?.dump.equals(now!.dump)) {
      await proven(context, [pair]);
      return false;
    }
    const endsAt = now?.endsAt ?? "0";
    const follow = [now?.dump ?? "", endsAt, toArgument(markerOf(pair, endsAt))];
    const keys = [pair.target, markersOf(context.markers, pair.target)];
    const writing = store.write(REPLACE_OWN, keys, follow, fence);
    const followed = await (now === null ? writing : orNamed(context, [{ pair, original: now }], writing));
    if (now === null || followed !== "1") {
      await unmark(context, [pair]);
      return now !== null; // The application has changed the copy.
    }
    written = now;
  }
  tally.fail(pair.source, "it changed each time before its copy could follow");
  return false;
}
