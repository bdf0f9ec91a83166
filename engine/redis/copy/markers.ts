/**
 * Markers of copies between nodes: each stands in the slot of its copy, and moves with it, until the copy is proven.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type Binary, fromBytes } from "../binary.ts";
import { readExisting } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { keySlot, SLOTS, tagOfSlot } from "../hash_slot.ts";
import { UNMARK } from "../scripts/copying_across_nodes.ts";
import { UNLINK } from "../scripts/deleting.ts";
import type { BothKeys } from "./change.ts";

/** What markers are read and written with. */
type MarkerContext = Pick<WriteContext, "store" | "fence" | "markers">;

/** Takes markers away. */
export async function unmark(
  { store, fence, markers }: MarkerContext,
  pairs: readonly BothKeys[],
): Promise<void> {
  const targets = pairs.map(({ target }) => target);
  await store.onEachNode(targets, async (group) => {
    const keys = group.flatMap((i) => [targets[i]!, markersOf(markers, targets[i]!)]);
    await store.write(UNMARK, keys, [], fence);
  });
}

/**
 * The line of a marker: when the copy ends, whose it is, and the fields that were set in it behind the dump, which follows.
 *
 * @param changes Fields, each followed by its value.
 */
export function markerOf({ source }: BothKeys, endsAt: string, changes: readonly string[] = []): Binary {
  return JSON.stringify([endsAt, source, ...changes]);
}

/** The markers of a record's slot, which move with it. */
export function markersOf(markers: Binary, target: Binary): Binary {
  return markersOfSlot(markers, keySlot(target));
}

function markersOfSlot(markers: Binary, slot: number): Binary {
  return `${markers}:{${tagOfSlot(slot)}}`;
}

/** Finds the slots' markers that are there. */
export async function findMarkers({ store, markers }: MarkerContext): Promise<ReadonlySet<Binary>> {
  const all = Array.from({ length: SLOTS }, (_, slot) => markersOfSlot(markers, slot));
  return await readExisting(store, all);
}

/**
 * Takes away all markers, before what is applied is cleaned up or done again. There are some where a node was started from what it had
 * saved earlier, or where another tool has ended what a run of this one began: whoever followed them up after the originals are gone
 * would delete the copies.
 */
export async function forgetMarkers(context: MarkerContext): Promise<void> {
  if (!context.store.clustered) return;
  for (const key of await findMarkers(context)) {
    await context.store.write(UNLINK, [key], [], context.fence);
  }
}

/** What the markers of one slot stand for. @param flat Copies and what their markers say, by turns. */
export function pairsOf(flat: readonly Buffer[]): BothKeys[] {
  const targets = flat.filter((_, i) => i % 2 === 0);
  return targets.map((target, i) => ({
    target: fromBytes(target),
    source: sourceOf(fromBytes(flat[2 * i + 1]!)),
  }));
}

/** Whose copy is marked. Older versions wrote a digest, when the copy ends, and its original. */
function sourceOf(marker: Binary): Binary {
  const older = /^[^[ ]* \S+ /.exec(marker);
  if (older !== null) return marker.slice(older[0].length);
  const [, source] = JSON.parse(marker.slice(0, marker.indexOf("\n"))) as [endsAt: string, Binary];
  return source;
}
