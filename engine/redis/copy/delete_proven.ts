/**
 * Deletes originals whose copies are proven: the same apart from what later migrations changed, or newer.
 *
 * Within one server the deletion happens in the same step that finds both as they were judged. In a cluster both are read
 * first, and the original is deleted on its node only if it is byte for byte what the copy was proven against. The copy may change
 * or go in between: then the application did that to a record that was complete, as it might have a moment later.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { Rows } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { DELETE_PROVEN, DELETE_SAME } from "../scripts/deleting.ts";
import type { Argument } from "../store.ts";
import { type Chain, chainOf } from "../transform/chain.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { matcherOf } from "../walk/pattern.ts";
import type { CopyChange } from "./change.ts";
import { choose, due, type Proven, type Turn } from "./cleanup_turn.ts";
import { type Content, readContents } from "./content.ts";
import { unlinkLarge } from "./large.ts";
import { carryOut, type Order, readOrders } from "./orders.ts";
import { findContested, findPairs, type Pair } from "./pairs.ts";
import { judged } from "./weigh.ts";

/** A record that changes again and again is looked at again this often before it is kept. */
const ATTEMPTS = 20;

/** Deletes what is proven of a batch. What is kept is counted. */
export async function deleteProven(
  change: CopyChange,
  context: WriteContext,
  turn: Turn,
  batch: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const { store, tally } = context;
  const chain = chainOf(context.converted.map((one) => one.change), change.fields);
  let keys = batch;
  for (let attempt = 1; keys.length > 0; attempt++) {
    const again: Binary[] = [];
    if (store.clustered) {
      for await (const [pairs, originals] of readOriginals(change, context, turn, keys)) {
        again.push(
          ...await deleteJudged(change, context, turn, due(change, context, turn, pairs), size, originals),
        );
      }
    } else {
      const { rest: found } = await lookAmong(change.amongCopies ?? "", change, context, turn, keys);
      const rows = await Rows.read(store, found, chain.fields, { size });
      const orders = await readOrders(change, { ...turn, store }, chain, () => true, found, rows);
      const rest = await deleteSame(context, turn, chain, due(change, context, turn, orders), size, again);
      again.push(...await deleteJudged(change, context, turn, rest, size));
    }
    keys = again;
    if (attempt === ATTEMPTS) {
      for (const key of keys) tally.fail(key, "it changed each time before it could be deleted");
      return;
    }
  }
}

/**
 * Finds the originals among keys of a pattern, which are hardly any, by no more than what decides.
 *
 * @returns With them what is left of all keys.
 */
async function lookAmong(
  pattern: Binary,
  change: CopyChange,
  { store }: WriteContext,
  { lookalikes }: Turn,
  keys: readonly Binary[],
) {
  const isAmong = matcherOf(pattern);
  const pairs = await findPairs(change, store, lookalikes, keys.filter(isAmong));
  const known = new Map(pairs.map((pair) => [pair.source, pair]));
  return { known, rest: keys.filter((key) => known.has(key) || !isAmong(key)) };
}

/** Finds originals, a portion at a time, and reads them whole: what decides about them is a part of that. */
async function* readOriginals(
  change: CopyChange,
  context: WriteContext,
  turn: Turn,
  keys: readonly Binary[],
): AsyncGenerator<readonly [Pair[], ReadonlyMap<Binary, Content>]> {
  const { store } = context;
  const { lookalikes } = turn;
  // What is hardly an original is looked at before it is read whole.
  const looked = await lookAmong(change.amongCopies ?? "*", change, context, turn, keys);
  const { known } = looked;
  let { rest } = looked;
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
  turn: Turn,
  pairs: readonly Pair[],
  size: BatchSize,
  originals?: ReadonlyMap<Binary, Content>,
): Promise<Binary[]> {
  const again: Binary[] = [];
  // Between nodes, a copy is not looked at once more.
  const reading = { digests: originals === undefined, whole: true };
  for await (const portion of judged(change, context, pairs, reading, originals)) {
    const newer = turn.lookalikes ? portion.filter(({ verdict }) => verdict === "newer") : [];
    const contested = await findContested(change, context.store, newer.map(({ pair }) => pair));
    const known = contested.size === 0
      ? portion
      : portion.map((one) =>
        contested.has(one.pair.source) ? { ...one, verdict: "contested" as const } : one
      );
    const proven = choose(change, context, known, turn);
    const isLarge = ({ original, copy }: Proven) => original.large === true || copy.large === true;
    const small = proven.filter((one) => !isLarge(one));
    again.push(...await size.measure("write", small.length, () => unlink(context, small)));
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
  context: WriteContext,
  { whose, isKept }: Turn,
  chain: Chain,
  orders: readonly Order[],
  size: BatchSize,
  again: Binary[],
): Promise<readonly Order[]> {
  const canBeTold = ({ type }: Order) => type === "hash" && !(isKept && whose === "telling");
  const rest = orders.filter((order) => !canBeTold(order));
  const told = carryOut(DELETE_SAME, context, chain, orders.filter(canBeTold), size);
  for await (const [order, answer] of told) {
    if (answer === "?") rest.push(order);
    else count(context, order, answer, again);
  }
  return rest;
}

/** @param answer What a script that deletes says of a pair. */
function count({ tally }: WriteContext, { source }: Pair, answer: string | undefined, again: Binary[]): void {
  if (answer === "0") again.push(source);
  else tally.recover(source);
  if (answer === "1") tally.processed++;
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
