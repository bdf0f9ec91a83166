/**
 * Markers of copies between nodes: each stands in the slot of its copy, and moves with it, until the copy is proven.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type Binary, fromBytes, toBuffer } from "../binary.ts";
import { readExisting } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { keySlot, SLOTS, tagOfSlot } from "../hash_slot.ts";
import { UNMARK } from "../scripts/copying_across_nodes.ts";
import { UNLINK } from "../scripts/deleting.ts";
import type { Chain } from "../transform/chain.ts";
import { packWrites } from "../transform/field_writes.ts";
import type { BothKeys } from "./change.ts";
import type { Order } from "./orders.ts";

/** What markers are read and written with. */
type MarkerContext = Pick<WriteContext, "store" | "fence" | "markers">;

/**
 * Takes markers away, and copies through later changes in the same step.
 *
 * @param chain Without it nothing is changed.
 * @returns What {@linkcode UNMARK} says of each.
 */
export async function unmark(
  { store, fence, markers }: MarkerContext,
  pairs: readonly (BothKeys & Partial<Order>)[],
  chain?: Chain,
): Promise<string[]> {
  const fields = chain === undefined || chain.links.length === 0 ? [] : chain.fields;
  const answers: string[] = [];
  await store.onEachNode(pairs.map(({ target }) => target), async (group) => {
    const some = group.map((i) => pairs[i]!);
    const keys = some.flatMap(({ target }) => [target, markersOf(markers, target)]);
    const writes = packWrites(
      fields,
      some.map(({ target: key, values = [], changes = [] }) =>
        fields.length === 0 ? { key, values: [], changes: [] } : { key, values, changes }
      ),
    );
    const answer = await store.write(UNMARK, keys, [toBuffer(JSON.stringify(writes))], fence);
    group.forEach((i, at) => answers[i] = answer[at]!);
  });
  return answers;
}

/** What a marker says behind the digest of what was written, which the server puts there. */
export function markerOf({ source }: BothKeys, endsAt: string): Binary {
  return ` ${endsAt} ${source}`;
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

/** Whose copy is marked. */
function sourceOf(marker: Binary): Binary {
  const [digest = "", endsAt = ""] = marker.split(" ", 2);
  return marker.slice(digest.length + endsAt.length + 2);
}
