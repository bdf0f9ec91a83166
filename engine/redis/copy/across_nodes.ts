/**
 * Copies records in a cluster, where original and copy are on different nodes and no step is atomic over both. The copy
 * is written under a free name only; then the original is read again. If it changed, the copy follows, and if it is
 * gone, the copy goes too: each only while the copy is still what this run wrote.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { settleAll } from "../../settle_all.ts";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import type { CopyChange } from "./change.ts";
import { findPairs, type Pair } from "./pairs.ts";
import { weigh } from "./on_server.ts";
import type { WriteContext } from "../context.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { REPLACE_OWN, RESTORE_NEW } from "../scripts/copying.ts";
import { READ_WHOLE } from "../scripts/reading.ts";
import type { RedisStore } from "../store.ts";

/** An original that changes again and again is followed this often before it counts as failed. */
const ATTEMPTS = 50;

interface Whole {
  readonly dump: Buffer;
  /** Unix milliseconds, or 0 for none. */
  readonly expiresAt: string;
}

/** Copies one batch. */
export async function copyAcrossNodes(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const pairs = await findPairs(change, context.store, lookalikes, keys);
  const taken: Pair[] = [];
  await size.measure("write", pairs.length, () =>
    settleAll(pairs.map(async (pair) => {
      if (await copyOne(context, pair)) taken.push(pair);
    })));
  await weigh(context, taken);
}

/** @returns True when the target's name is taken. */
async function copyOne({ store, fence, tally }: WriteContext, { source, target }: Pair): Promise<boolean> {
  const name = [toArgument(target)];
  let original = await readWhole(store, source);
  if (original === null) return false;
  const written = await store.write(RESTORE_NEW, name, [original.dump, original.expiresAt], fence);
  if (written !== "c") return true;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const now = await readWhole(store, source);
    if (now !== null && same(now, original)) {
      tally.processed++;
      tally.recover(source);
      return false;
    }
    const follow = [digest(original), now?.dump ?? "", now?.expiresAt ?? "0"];
    const followed = await store.write(REPLACE_OWN, name, follow, fence);
    if (now === null) return false;
    if (followed !== "1") return true; // The application has changed the copy: that holds.
    original = now;
  }
  tally.fail(source, "it changed each time before its copy could follow");
  return false;
}

async function readWhole(store: RedisStore, key: Binary): Promise<Whole | null> {
  const reply = await store.evaluate(READ_WHOLE, [toArgument(key)], []) as [Buffer, Buffer] | null;
  return reply === null ? null : { dump: reply[0], expiresAt: fromBytes(reply[1]) };
}

function same(one: Whole, other: Whole): boolean {
  return one.dump.equals(other.dump) && one.expiresAt === other.expiresAt;
}

function digest({ dump }: Whole): string {
  return createHash("sha1").update(dump).digest("hex");
}
