/**
 * Deletes originals whose copies are proven: the same apart from what later migrations changed, or newer.
 *
 * Within one server the proof and the deletion are one step. In a cluster the copy is read first, and the original is
 * deleted on its node only if it is byte for byte what the copy was proven against. The copy may change or go in between:
 * then the application did that to a record that was complete, as it might have a moment later.
 *
 * @module
 */

import { settleAll } from "../../settle_all.ts";
import { type Binary, display, toArgument } from "../binary.ts";
import { afterMigrations, readContents } from "./content.ts";
import type { CopyChange } from "./change.ts";
import { findPairs, hasLookalikes, type Pair } from "./pairs.ts";
import { judgePairs, type ReadPair } from "./judgement.ts";
import type { CleanupReport, ReadContext, WriteContext } from "../context.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { DELETE_COPIED, DELETE_PROVEN } from "../scripts/copying.ts";
import type { Argument } from "../store.ts";
import { walk } from "../walk/walk.ts";

/** A record that changes again and again is looked at again this often before it is kept. */
const ATTEMPTS = 20;

/** Counts the originals that are still there. */
export async function countOriginals(change: CopyChange, context: ReadContext): Promise<number> {
  const lookalikes = await hasLookalikes(change, context);
  let count = 0;
  await walk(context.store, {
    ...context,
    pattern: change.pattern,
    visit: async (keys) => {
      const pairs = await findPairs(change, context.store, lookalikes, keys);
      count += pairs.length; // Not in one with the await: other batches add to it meanwhile.
    },
  });
  return count;
}

/**
 * Deletes what is proven. What is kept is counted and, for the first few, named.
 *
 * The original of a record that the application has changed since is what proves a list of such records: it goes in a
 * second walk, when all lists are done.
 */
export async function cleanUp(change: CopyChange, context: WriteContext): Promise<CleanupReport> {
  const lookalikes = await hasLookalikes(change, context);
  const deferred = { lists: change.listed !== undefined, count: 0 };
  const pass = () =>
    walk(context.store, {
      ...context,
      pattern: change.pattern,
      visit: (keys, size) => deleteProven(change, context, { lookalikes, keys, size, deferred }),
    });
  await pass();
  if (deferred.count > 0) {
    deferred.lists = false;
    await pass();
  }
  const { processed, failed, issues } = context.tally;
  return { deleted: processed, kept: failed, issues };
}

interface Work {
  readonly lookalikes: boolean;
  readonly keys: readonly Binary[];
  readonly size: BatchSize;
  /** While lists are to be judged, how many records were left for later. */
  readonly deferred: { lists: boolean; count: number };
}

async function deleteProven(change: CopyChange, context: WriteContext, work: Work): Promise<void> {
  const { store } = context;
  // What later migrations set depends on these fields: the proof holds only as long as they are as read.
  const fields = [...new Set([...change.fields, ...context.later.flatMap((pattern) => pattern.fields)])];
  const reading: CopyChange = { ...change, fields };
  let keys = work.keys;
  for (let attempt = 1; keys.length > 0; attempt++) {
    const pairs = await findPairs(reading, store, work.lookalikes, keys);
    const rest = store.clustered
      ? { others: pairs, again: [] }
      : await deleteCopied(fields, context, pairs, work);
    keys = [...rest.again, ...await deleteJudged(change, context, rest.others, work)];
    if (attempt === ATTEMPTS) {
      for (const key of keys) context.tally.fail(key, "it changed each time before it could be deleted");
      return;
    }
  }
}

/** Within one server: deletes what the server finds proven by itself. @returns What is left to judge, or to read again. */
async function deleteCopied(
  fields: readonly Binary[],
  { store, fence, later, tally }: WriteContext,
  pairs: readonly Pair[],
  work: Work,
): Promise<{ others: readonly Pair[]; again: readonly Binary[] }> {
  const clear = pairs.filter(({ ambiguous }) => ambiguous !== true);
  const others = pairs.filter(({ ambiguous }) => ambiguous === true);
  const again: Binary[] = [];
  if (clear.length === 0) return { others, again };
  const args: Argument[] = [String(fields.length), ...fields.map(toArgument)];
  for (const { target, type, values } of clear) {
    args.push(type, ...values.map((value) => value === null ? "-" : toArgument(`+${value}`)));
    const known = new Map(
      fields.flatMap((field, i) => values[i] === null ? [] : [[field, values[i]!] as const]),
    );
    const changed = [...afterMigrations(target, known, later)].filter(([field, value]) =>
      known.get(field) !== value
    );
    args.push(String(changed.length), ...changed.flat().map(toArgument));
  }
  const keys = clear.flatMap(({ source, target }) => [toArgument(source), toArgument(target)]);
  const answer = await work.size.measure(
    "write",
    clear.length,
    () => store.write(DELETE_COPIED, keys, args, fence),
  );
  clear.forEach((pair, i) => {
    if (answer[i] === "~") others.push(pair);
    else if (answer[i] === "0") again.push(pair.source);
    else tally.recover(pair.source);
    if (answer[i] === "1") tally.processed++;
  });
  return { others, again };
}

/** Judges pairs one by one. @returns The originals that changed meanwhile, they or their copies. */
async function deleteJudged(
  change: CopyChange,
  context: WriteContext,
  pairs: readonly Pair[],
  work: Work,
): Promise<Binary[]> {
  if (pairs.length === 0) return [];
  const keys = pairs.flatMap(({ source, target }) => [source, target]);
  const contents = await work.size.measure(
    "read",
    pairs.length,
    () => readContents(context.store, keys, { digests: true }),
  );
  const read: ReadPair[] = [];
  pairs.forEach((pair, i) => {
    const [original, copy] = [contents[2 * i]!, contents[2 * i + 1]!];
    if (original === null) return;
    if (pair.ambiguous === true) context.tally.fail(pair.source, "it may be a current record as well");
    else if (copy === null) context.tally.fail(pair.source, `it has no copy ${display(pair.target)}`);
    else read.push({ pair, original, copy });
  });
  const judgements = await judgePairs(context.store, read, context.later, change.listed);
  const proven = read.filter(({ pair }, i) => {
    if (judgements[i] === "different") {
      context.tally.fail(pair.source, `its copy ${display(pair.target)} is different`);
      return false;
    }
    const later = judgements[i] === "newer" && work.deferred.lists && change.listed?.(pair, "") === null;
    if (later) work.deferred.count++;
    return !later;
  });
  return await unlink(context, proven);
}

/** @returns The originals that changed meanwhile, they or their copies. */
async function unlink({ store, fence, tally }: WriteContext, proven: readonly ReadPair[]): Promise<Binary[]> {
  const again: Binary[] = [];
  await settleAll(
    store.bySlot(proven.map(({ pair }) => pair.source)).map(async (group) => {
      const keys: Argument[] = [];
      const args: Argument[] = [];
      for (const i of group) {
        const { pair: { source, target }, original, copy } = proven[i]!;
        // In a cluster the copy is elsewhere: the script gets the original's own name in its place, unread.
        keys.push(toArgument(source), toArgument(store.clustered ? source : target));
        args.push(original.digest, store.clustered ? "*" : copy.digest);
      }
      const answer = await store.write(DELETE_PROVEN, keys, args, fence);
      group.forEach((i, at) => {
        const { source } = proven[i]!.pair;
        if (answer[at] === "0") again.push(source);
        else tally.recover(source);
        if (answer[at] === "1") tally.processed++;
      });
    }),
  );
  return again;
}
