/**
 * Copies records in a cluster, where original and copy are on different nodes and no step is atomic over both. The copy
 * is marked, in the slot where it goes, and written under a free name only; then the original is read again. If it changed,
 * the copy follows, and if it is gone, the copy goes too: each only while the copy is still what was written. Then the marker
 * goes. A run that dies in between leaves markers, which the next one follows up. Each step takes one key: of a slot that is half
 * moved, two would be refused.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { settleAll } from "../../settle_all.ts";
import { type Binary, escapePattern, fromBytes, toArgument } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import { tagOfSlot } from "../hash_slot.ts";
import { keySlot } from "../key_slot.ts";
import { MARK, REPLACE_OWN, RESTORE_NEW, UNMARK } from "../scripts/copying.ts";
import { READ_WHOLE } from "../scripts/reading.ts";
import type { Argument, RedisStore } from "../store.ts";
import { convertAfter } from "../transform/convert_records.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { walk } from "../walk/walk.ts";
import type { BothKeys, CopyChange } from "./change.ts";
import { deadLists, prune } from "./dead_lists.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { toBeCopied, weigh } from "./weigh.ts";

/** An original that changes again and again is followed this often before it counts as failed. */
const ATTEMPTS = 50;

/** A record as it was read, or as a marker tells. */
interface Written {
  /** SHA-1 of its dump; where one of several may have been written, of each, parted by commas. */
  readonly digest: string;
  /** Unix milliseconds, or 0 for none. */
  readonly endsAt: string;
}

interface Whole extends Written {
  readonly dump: Buffer;
}

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
  const taken: Pair[] = [];
  await size.measure("write", rest.length, () =>
    settleAll(rest.map(async (pair) => {
      if (await copyOne(context, pair)) taken.push(pair);
    })));
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
          if (isDead) await unmark(context, pair.target); // What a run had copied of it was just taken away.
        }
      }
    },
  });
}

/** @returns True when the target's name is taken. */
async function copyOne(context: WriteContext, pair: BothKeys): Promise<boolean> {
  const { store, fence } = context;
  const original = await readWhole(store, pair.source);
  if (original === null) return false;
  let earlier: Written | null = null;
  if (await mark(context, pair, original, "new") === "m") {
    const args = [markersOf(context.markers, pair.target), toArgument(pair.target)];
    const marker = await store.call("HGET", args) as Buffer | null;
    if (marker === null) return true;
    earlier = eitherOf(decode(fromBytes(marker)).written, original);
    await mark(context, pair, earlier, "over");
  }
  // Also where a marker is: the run that left it may have ended before it wrote anything.
  const target = toArgument(pair.target);
  const answer = await store.write(RESTORE_NEW, [target], [original.dump, original.endsAt], fence);
  if (answer === "c") return await prove(context, pair, original);
  const copy = earlier === null ? null : await readWhole(store, pair.target);
  if (copy !== null && earlier!.digest.includes(copy.digest)) return await prove(context, pair, earlier!);
  await unmark(context, pair.target);
  return true;
}

/** What may have been written, where one thing was and another is about to be. */
function eitherOf(one: Written, other: Written): Written {
  const digests = new Set([...one.digest.split(","), ...other.digest.split(",")]);
  return { digest: [...digests].join(","), endsAt: other.endsAt };
}

/** Makes a copy what its original is, while it is still what was written. @returns True when it is not any more. */
async function prove(context: WriteContext, pair: BothKeys, first: Written): Promise<boolean> {
  const { store, fence, tally } = context;
  let written = first;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const now = await readWhole(store, pair.source);
    if (now !== null && now.digest === written.digest && now.endsAt === written.endsAt) {
      await unmark(context, pair.target);
      tally.processed++;
      tally.recover(pair.source);
      return false;
    }
    const either = now === null ? written : eitherOf(written, now);
    if (now !== null) await mark(context, pair, either, "over");
    const follow = [either.digest, now?.dump ?? "", now?.endsAt ?? "0"];
    const followed = await store.write(REPLACE_OWN, [toArgument(pair.target)], follow, fence);
    if (now === null || followed !== "1") {
      await unmark(context, pair.target);
      return now !== null; // The application has changed the copy.
    }
    written = now;
  }
  tally.fail(pair.source, "it changed each time before its copy could follow");
  return false;
}

async function mark(
  { store, fence, markers }: WriteContext,
  { source, target }: BothKeys,
  { digest, endsAt }: Written,
  mode: "new" | "over",
): Promise<Binary> {
  const marker = toArgument(`${digest} ${endsAt} ${source}`);
  return await store.write(MARK, [markersOf(markers, target)], [toArgument(target), marker, mode], fence);
}

async function unmark({ store, fence, markers }: WriteContext, target: Binary): Promise<void> {
  await store.write(UNMARK, [markersOf(markers, target)], [toArgument(target)], fence);
}

/** The markers of a record's slot, which move with it. */
function markersOf(markers: Binary, target: Binary): Argument {
  return toArgument(`${markers}:{${tagOfSlot(keySlot(target))}}`);
}

function decode(marker: Binary): { readonly source: Binary; readonly written: Written } {
  const [digest = "", endsAt = ""] = marker.split(" ", 2);
  return { source: marker.slice(digest.length + endsAt.length + 2), written: { digest, endsAt } };
}

async function readWhole(store: RedisStore, key: Binary): Promise<Whole | null> {
  const reply = await store.evaluate(READ_WHOLE, [toArgument(key)], []) as [Buffer, Buffer] | null;
  if (reply === null) return null;
  const [dump, endsAt] = reply;
  return { dump, digest: createHash("sha1").update(dump).digest("hex"), endsAt: fromBytes(endsAt) };
}
