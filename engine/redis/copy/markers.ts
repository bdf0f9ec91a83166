/**
 * Markers of copies between nodes: each stands in the slot of its copy, and moves with it, until the copy is proven.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type Binary, fromBytes, toArgument, toBuffer } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import { tagOfSlot } from "../hash_slot.ts";
import { keySlot } from "../key_slot.ts";
import { MARK, UNMARK } from "../scripts/copying.ts";
import type { Chain } from "../transform/chain.ts";
import { packWrites } from "../transform/field_writes.ts";
import type { BothKeys } from "./change.ts";
import type { Order } from "./orders.ts";
import type { Written } from "./whole.ts";

/** Says what a copy may be from now on. */
export async function mark(
  { store, fence, markers }: WriteContext,
  pair: BothKeys,
  written: Written,
): Promise<void> {
  const { target } = pair;
  await store.write(
    MARK,
    [markersOf(markers, target)],
    [target, markerOf(pair, written)].map(toArgument),
    fence,
  );
}

/**
 * Takes markers away, and copies through later changes in the same step.
 *
 * @param chain Without it nothing is changed.
 * @returns What {@linkcode UNMARK} says of each.
 */
export async function unmark(
  { store, fence, markers }: WriteContext,
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

/** What a marker says. */
export function markerOf({ source }: BothKeys, { digest, endsAt }: Written): Binary {
  return `${digest} ${endsAt} ${source}`;
}

/** The markers of a record's slot, which move with it. */
export function markersOf(markers: Binary, target: Binary): Binary {
  return `${markers}:{${tagOfSlot(keySlot(target))}}`;
}

/** What the markers of one slot stand for. @param flat Copies and what their markers say, by turns. */
export function pairsOf(flat: readonly Buffer[]): BothKeys[] {
  const targets = flat.filter((_, i) => i % 2 === 0);
  return targets.map((target, i) => ({
    target: fromBytes(target),
    source: decodeMarker(flat[2 * i + 1]!).source,
  }));
}

/** Reads what a marker says. */
export function decodeMarker(bytes: Buffer): { readonly source: Binary; readonly written: Written } {
  const marker = fromBytes(bytes);
  const [digest = "", endsAt = ""] = marker.split(" ", 2);
  return { source: marker.slice(digest.length + endsAt.length + 2), written: { digest, endsAt } };
}

/** What may have been written, where one thing was and another is about to be. */
export function eitherOf(one: Written, other: Written): Written {
  const digests = new Set([...one.digest.split(","), ...other.digest.split(",")]);
  return { digest: [...digests].join(","), endsAt: other.endsAt };
}
