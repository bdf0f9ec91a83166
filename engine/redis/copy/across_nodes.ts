/**
 * Copies records in a cluster, where original and copy are on different nodes and no step is atomic over both. The copy is written
 * under a free name only, and marked in the same step, in the slot where it goes; then the original is read again. If it changed,
 * the copy follows, and if it is gone, the copy goes too: each only while the copy is still what was written. Then the marker
 * goes. A run that dies in between leaves markers, which the next one follows up. Each step takes all records of a node at once.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type Binary, escapePattern, fromBytes, toArgument } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import { tagOfSlot } from "../hash_slot.ts";
import { keySlot } from "../key_slot.ts";
import { MARK, REPLACE_OWN, RESTORE_NEW, UNMARK } from "../scripts/copying.ts";
import type { Argument } from "../store.ts";
import { convertAfter } from "../transform/convert_records.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { walk } from "../walk/walk.ts";
import type { BothKeys, CopyChange } from "./change.ts";
import { deadLists, prune } from "./dead_lists.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { toBeCopied, weigh } from "./weigh.ts";
import { readDigests, readWhole, readWholes, type Whole, type Written } from "./whole.ts";

/** An original that changes again and again is followed this often before it counts as failed. */
const ATTEMPTS = 50;

/** Copies one batch. */
export async function copyAcrossNodes(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const { store } = context;
  const pairs = await findPairs(change, store, lookalikes, keys);
  const wanted = context.doneSince === null ? pairs : await toBeCopied(change, context, pairs);
  const dead = await deadLists(change, store, wanted);
  const rest = wanted.filter((pair) => !dead.has(pair));
  const taken = await copyMany(context, rest, size);
  await prune(change, context, wanted);
  await convertAfter(context, pairs.map(({ target }) => target), lookalikes);
  await weigh(change, context, [...dead, ...taken]);
}

/** Follows up what earlier runs wrote and did not prove, as far as it was not found by its original. */
export async function followUp(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
): Promise<void> {
  const { store, markers } = context;
  await walk(store, {
    signal: context.signal,
    pattern: `${escapePattern(markers)}:{*`,
    visit: async (keys) => {
      for (const key of keys) {
        const flat = await store.call("HGETALL", [toArgument(key)]) as Buffer[];
        for (let i = 0; i + 1 < flat.length; i += 2) {
          const { source, written } = decode(fromBytes(flat[i + 1]!));
          const pair = { source, target: fromBytes(flat[i]!) };
          const pairs = await findPairs(change, store, lookalikes, [source]);
          const isDead = (await deadLists(change, store, pairs)).size > 0;
          if (await readWhole(store, source) === null) await prove(context, pair, written);
          else if (!isDead) await copyOne(context, pair);
          await prune(change, context, pairs);
          if (isDead) await unmark(context, [pair]); // What a run had copied of it was just taken away.
        }
      }
    },
  });
}

/** Copies pairs, in each step all that are on one node at once. @returns Those whose target's name is taken. */
async function copyMany(context: WriteContext, pairs: readonly Pair[], size: BatchSize): Promise<Pair[]> {
  const { store } = context;
  const taken: Pair[] = [];
  for (let rest = pairs; rest.length > 0;) {
    const originals = await readWholes(store, rest.map(({ source }) => source));
    const found = rest.flatMap((pair, i) => originals[i] ? [{ pair, original: originals[i] }] : []);
    const answers = await size.measure("write", found.length, () => restore(context, found, "new"));
    const written = found.filter((_, i) => answers[i] === "c");
    const again = await readDigests(store, written.map(({ pair }) => pair.source));
    const isSame = ({ original }: Copying, i: number) => isAsBefore(again[i] ?? null, original);
    await proven(context, written.filter(isSame).map(({ pair }) => pair));
    // One by one, and after the others are proven: two originals may have one name to go to.
    for (const one of written.filter((one, i) => !isSame(one, i))) {
      if (await prove(context, one.pair, one.original)) taken.push(one.pair);
    }
    for (const { pair } of found.filter((_, i) => answers[i] === "m")) {
      if (await copyOne(context, pair)) taken.push(pair);
    }
    taken.push(...found.filter((_, i) => answers[i] === "~").map(({ pair }) => pair));
    rest = rest.filter((_, i) => originals[i] === undefined);
  }
  return taken;
}

/** A pair that is copied, and what its original is, or what its marker is to say. */
interface Copying<Keys extends BothKeys = Pair> {
  readonly pair: Keys;
  readonly original: Whole;
  readonly marked?: Written;
}

/** @returns What {@linkcode RESTORE_NEW} says of each. */
async function restore(
  { store, fence, markers }: WriteContext,
  copying: readonly Copying<BothKeys>[],
  mode: "new" | "over",
): Promise<string[]> {
  const answers: string[] = [];
  await store.onEachNode(copying.map(({ pair }) => pair.target), async (group) => {
    const some = group.map((i) => copying[i]!);
    const keys = some.flatMap(({ pair: { target } }) => [target, markersOf(markers, target)]);
    const args = some.flatMap(({ pair, original, marked = original }) => [
      ...[original.dump, original.endsAt, markerOf(pair, marked)],
    ]);
    const answer = await store.write(RESTORE_NEW, keys, [mode, ...args], fence);
    group.forEach((i, at) => answers[i] = answer[at]!);
  });
  return answers;
}

/** @returns True when the target's name is taken. */
async function copyOne(context: WriteContext, pair: BothKeys): Promise<boolean> {
  const { store } = context;
  const original = await readWhole(store, pair.source);
  if (original === null) return false;
  let earlier: Written | null = null;
  let [answer] = await restore(context, [{ pair, original }], "new");
  if (answer === "m") {
    const args = [toArgument(markersOf(context.markers, pair.target)), toArgument(pair.target)];
    const marker = await store.call("HGET", args) as Buffer | null;
    if (marker === null) return true;
    earlier = eitherOf(decode(fromBytes(marker)).written, original);
    // Written too: the run that left the marker may have ended before it wrote anything.
    [answer] = await restore(context, [{ pair, original, marked: earlier }], "over");
  }
  if (answer === "c") return await prove(context, pair, original);
  if (earlier === null) return true;
  const copy = await readWhole(store, pair.target);
  if (copy !== null && earlier.digest.includes(copy.digest)) return await prove(context, pair, earlier);
  await unmark(context, [pair]);
  return true;
}

/** What may have been written, where one thing was and another is about to be. */
function eitherOf(one: Written, other: Written): Written {
  const digests = new Set([...one.digest.split(","), ...other.digest.split(",")]);
  return { digest: [...digests].join(","), endsAt: other.endsAt };
}

function isAsBefore(now: Written | null, before: Written): boolean {
  return now !== null && now.digest === before.digest && now.endsAt === before.endsAt;
}

/** Counts copies that are what their originals are. */
async function proven(context: WriteContext, pairs: readonly BothKeys[]): Promise<void> {
  await unmark(context, pairs);
  context.tally.processed += pairs.length;
  for (const { source } of pairs) context.tally.recover(source);
}

/** Makes a copy what its original is, while it is still what was written. @returns True when it is not any more. */
async function prove(context: WriteContext, pair: BothKeys, first: Written): Promise<boolean> {
  const { store, fence, tally } = context;
  let written = first;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const now = await readWhole(store, pair.source);
    if (isAsBefore(now, written)) {
      await proven(context, [pair]);
      return false;
    }
    const either = now === null ? written : eitherOf(written, now);
    if (now !== null) await mark(context, pair, either);
    const follow = [either.digest, now?.dump ?? "", now?.endsAt ?? "0"];
    const followed = await store.write(REPLACE_OWN, [pair.target], follow, fence);
    if (now === null || followed !== "1") {
      await unmark(context, [pair]);
      return now !== null; // The application has changed the copy.
    }
    written = now;
  }
  tally.fail(pair.source, "it changed each time before its copy could follow");
  return false;
}

async function mark(
  { store, fence, markers }: WriteContext,
  pair: BothKeys,
  written: Written,
): Promise<void> {
  const { target } = pair;
  await store.write(MARK, [markersOf(markers, target)], [toArgument(target), markerOf(pair, written)], fence);
}

async function unmark({ store, fence, markers }: WriteContext, pairs: readonly BothKeys[]): Promise<void> {
  const targets = pairs.map(({ target }) => target);
  await store.onEachNode(targets, async (group) => {
    const some = group.map((i) => targets[i]!);
    await store.write(UNMARK, some.map((target) => markersOf(markers, target)), some.map(toArgument), fence);
  });
}

function markerOf({ source }: BothKeys, { digest, endsAt }: Written): Argument {
  return toArgument(`${digest} ${endsAt} ${source}`);
}

/** The markers of a record's slot, which move with it. */
function markersOf(markers: Binary, target: Binary): Binary {
  return `${markers}:{${tagOfSlot(keySlot(target))}}`;
}

function decode(marker: Binary): { readonly source: Binary; readonly written: Written } {
  const [digest = "", endsAt = ""] = marker.split(" ", 2);
  return { source: marker.slice(digest.length + endsAt.length + 2), written: { digest, endsAt } };
}
