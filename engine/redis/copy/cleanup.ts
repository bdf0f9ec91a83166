/**
 * Deletes originals whose copies are proven: the same apart from what later migrations changed, or newer.
 *
 * Within one server the deletion happens in the same step that finds both as they were judged. In a cluster both are read
 * first, and the original is deleted on its node only if it is byte for byte what the copy was proven against. The copy may change
 * or go in between: then the application did that to a record that was complete, as it might have a moment later.
 *
 * @module
 */

import { InterruptedError } from "../../errors.ts";
import { type Binary, display } from "../binary.ts";
import { Rows } from "../bulk_reads.ts";
import type { CleanupReport, ReadContext, WriteContext } from "../context.ts";
import { walkOver } from "../lookalikes.ts";
import { DELETE_PROVEN, DELETE_SAME } from "../scripts/deleting.ts";
import type { Argument } from "../store.ts";
import { type Chain, chainOf } from "../transform/chain.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { WalkOptions } from "../walk/part.ts";
import { matcherOf } from "../walk/pattern.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import { type Content, readContents } from "./content.ts";
import { unlinkLarge } from "./large.ts";
import { carryOut, type Order, readOrders, type Run } from "./orders.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { faultOf, judged, type JudgedPair } from "./weigh.ts";

/** A record that changes again and again is looked at again this often before it is kept. */
const ATTEMPTS = 20;

/** Counts the originals that are still there. @param any Stops at the first one. */
export async function countOriginals(
  change: CopyChange,
  context: ReadContext,
  any: boolean,
): Promise<number> {
  const { store } = context;
  const enough = new AbortController();
  const signal = AbortSignal.any([context.signal, enough.signal]);
  let count = 0;
  const isMeant = matcherOf(change.pattern);
  await walkOver(store, [change], { ...context, signal }, (lookalikes) => {
    count = 0;
    return async (keys) => {
      const { length } = await findPairs(change, store, lookalikes, keys.filter(isMeant));
      count += length; // Not in one with the await: other batches add to it meanwhile.
      if (any && length > 0) enough.abort();
    };
  }).catch((error: unknown) => {
    if (!enough.signal.aborted || !(error instanceof InterruptedError)) throw error;
  });
  return any ? Math.min(count, 1) : count;
}

/**
 * Deletes what is proven. What is kept is counted and, for the first few, named.
 *
 * The original of a record that the application has changed since is what proves a list of such records, and the original that
 * tells lookalikes apart is what proves these: they go in a second walk, when all others are done.
 */
export async function cleanUp(change: CopyChange, context: WriteContext): Promise<CleanupReport> {
  const { store } = context;
  const isMeant = matcherOf(change.pattern);
  let work = { lookalikes: false, deferred: { others: true, count: 0 } };
  const visit: WalkOptions["visit"] = (keys, size) =>
    deleteProven(change, context, { ...work, keys: keys.filter(isMeant), size });
  await walkOver(store, [change], context, (lookalikes) => {
    work = { lookalikes, deferred: { others: true, count: 0 } };
    return visit;
  });
  if (work.deferred.count > 0) {
    work.deferred.others = false;
    await walk(store, { ...context, pattern: change.pattern, visit });
  }
  const { processed, failed, issues } = context.tally;
  return { deleted: processed, kept: failed, issues };
}

interface Work {
  readonly lookalikes: boolean;
  readonly keys: readonly Binary[];
  readonly size: BatchSize;
  /** While others are to be judged by them, how many records were left for later. */
  readonly deferred: { others: boolean; count: number };
}

async function deleteProven(change: CopyChange, context: WriteContext, work: Work): Promise<void> {
  const { store, tally } = context;
  const chain = chainOf(context.converted.map((one) => one.change), change.fields);
  let keys = work.keys;
  for (let attempt = 1; keys.length > 0; attempt++) {
    const again: Binary[] = [];
    if (store.clustered) {
      for await (const [pairs, originals] of readOriginals(change, context, work, keys)) {
        again.push(...await deleteJudged(change, context, work, unambiguous(pairs), originals));
      }
    } else {
      const rows = await Rows.read(store, keys, chain.fields, work);
      const orders = await readOrders(change, { ...work, store }, chain, () => true, keys, rows);
      const rest = await deleteSame(change, context, work, chain, unambiguous(orders), again);
      again.push(...await deleteJudged(change, context, work, rest));
    }
    keys = again;
    if (attempt === ATTEMPTS) {
      for (const key of keys) tally.fail(key, "it changed each time before it could be deleted");
      return;
    }
  }

  function unambiguous<One extends Pair>(pairs: readonly One[]): One[] {
    return pairs.filter(({ source, ambiguous }) => {
      if (ambiguous !== true) return true;
      // Told by the first walk: in the second one the originals are gone by which a copy is known for one.
      if (work.deferred.others) tally.fail(source, "it may be another record as well");
      return false;
    });
  }
}

/** Finds originals, a portion at a time, and reads them whole: what decides about them is a part of that. */
async function* readOriginals(
  change: CopyChange,
  { store }: WriteContext,
  { lookalikes }: Work,
  keys: readonly Binary[],
): AsyncGenerator<readonly [Pair[], ReadonlyMap<Binary, Content>]> {
  // What is hardly an original is looked at before it is read whole.
  const isAmong = matcherOf(change.amongCopies ?? "*");
  const among = await findPairs(change, store, lookalikes, keys.filter(isAmong));
  const known = new Map(among.map((pair) => [pair.source, pair]));
  let rest = keys.filter((key) => known.has(key) || !isAmong(key));
  for await (const contents of readContents(store, rest, { digests: true })) {
    const found = new Map(contents.flatMap((one, i) => one === null ? [] : [[rest[i]!, one] as const]));
    const others = [...found].filter(([key]) => !known.has(key));
    const rows = others.map(([, { fields }]) =>
      fields && change.fields.map((name) => fields.get(name) ?? null)
    );
    const pairs = await findPairs(change, store, lookalikes, others.map(([key]) => key), rows);
    yield [[...[...found.keys()].flatMap((key) => known.get(key) ?? []), ...pairs], found];
    rest = rest.slice(contents.length);
  }
}

/**
 * Deletes the originals of which this program tells that they are proven.
 *
 * @param originals Where they were read already.
 * @returns Those that changed meanwhile.
 */
async function deleteJudged(
  change: CopyChange,
  context: WriteContext,
  work: Work,
  pairs: readonly Pair[],
  originals?: ReadonlyMap<Binary, Content>,
): Promise<Binary[]> {
  const again: Binary[] = [];
  // Between nodes, a copy is not looked at once more.
  const reading = { digests: originals === undefined, whole: true };
  for await (const portion of judged(change, context, pairs, reading, originals)) {
    const proven = choose(change, context, portion, work);
    const isLarge = ({ original, copy }: Proven) => original.large === true || copy.large === true;
    const small = proven.filter((one) => !isLarge(one));
    again.push(...await work.size.measure("write", small.length, () => unlink(context, small)));
    for (const { pair } of proven.filter(isLarge)) {
      if (!await unlinkLarge(change, context, pair)) again.push(pair.source);
      else {
        context.tally.processed++;
        context.tally.recover(pair.source);
      }
    }
  }
  return again;
}

/**
 * Deletes the originals of which the server itself can tell that their copies are the same: most of them, and without their content
 * being sent.
 *
 * @param again Gets those that changed meanwhile.
 * @returns The others.
 */
async function deleteSame(
  change: CopyChange,
  context: WriteContext,
  { size, deferred }: Work,
  chain: Chain,
  orders: readonly Order[],
  again: Binary[],
): Promise<readonly Order[]> {
  const canBeTold = (order: Order) =>
    order.type === "hash" && !(deferred.others && tellsApart(change, order));
  const rest = orders.filter((order) => !canBeTold(order));
  const { store, fence } = context;
  const run: Run = (keys, args) => store.write(DELETE_SAME, keys, args, fence);
  const told = carryOut(run, chain, orders.filter(canBeTold), size);
  for await (const [order, answer] of told) {
    if (answer === "?") rest.push(order);
    else count(context, order, answer, again);
  }
  return rest;
}

/** True for an original by which others are told apart. */
function tellsApart({ lookalikes }: CopyChange, pair: Pair): boolean {
  return lookalikes?.isOne(pair.source, pair) === true;
}

/** @param answer What a script that deletes says of a pair. */
function count({ tally }: WriteContext, { source }: Pair, answer: string | undefined, again: Binary[]): void {
  if (answer === "0") again.push(source);
  else tally.recover(source);
  if (answer === "1") tally.processed++;
}

/** Counts what is not proven. @returns What is. */
function choose(
  change: CopyChange,
  { tally }: WriteContext,
  portion: readonly JudgedPair<Pair>[],
  { deferred }: Work,
): Proven[] {
  return portion.flatMap(({ pair, original, copy, standing }) => {
    if (standing !== "same" && standing !== "newer") {
      const deleted = `the application has deleted its copy ${
        display(pair.target)
      }; resolve, naming it, deletes it for the copy`;
      tally.fail(pair.source, faultOf(standing, pair.target) ?? deleted);
      return [];
    }
    const provesList = standing === "newer" && change.lists?.ownerOf(pair) === null;
    if (deferred.others && (provesList || tellsApart(change, pair))) {
      deferred.count++;
      return [];
    }
    return [{ pair, original, copy: copy! }];
  });
}

interface Proven {
  readonly pair: Pair;
  readonly original: Content;
  readonly copy: Content;
}

/** @returns The originals that changed meanwhile, they or their copies. */
async function unlink(context: WriteContext, proven: readonly Proven[]): Promise<Binary[]> {
  const again: Binary[] = [];
  await context.store.onEachNode(proven.map(({ pair }) => pair.source), async (group) => {
    for (let at = 0; at < group.length;) {
      at += await unlinkSome(context, group.slice(at).map((i) => proven[i]!), again);
    }
  });
  return again;
}

/** @returns How many of them, from the front, were looked at. */
async function unlinkSome(
  context: WriteContext,
  proven: readonly Proven[],
  again: Binary[],
): Promise<number> {
  const { store, fence } = context;
  const keys: Binary[] = [];
  const args: Argument[] = [];
  for (const { pair: { source, target }, original, copy } of proven) {
    // In a cluster the copy is elsewhere: the script gets the original's own name in its place, unread.
    keys.push(source, store.clustered ? source : target);
    args.push(original.digest, endOf(original), ...store.clustered ? ["*", "*"] : [copy.digest, endOf(copy)]);
  }
  const answer = await store.write(DELETE_PROVEN, keys, args, fence);
  for (let i = 0; i < answer.length; i++) count(context, proven[i]!.pair, answer[i], again);
  return answer.length;
}

function endOf({ endsAt }: Content): string {
  return endsAt === null ? "0" : String(endsAt);
}
