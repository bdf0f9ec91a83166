/**
 * Compares originals with their copies, all or a sample of them.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import type { VerifyContext } from "../context.ts";
import { BatchSize, ReplyClock } from "../walk/pacing.ts";
import { chooseSample, sampleOf } from "../walk/sample.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import { readContents } from "./content.ts";
import { judgePairs, type ReadPair } from "./judgement.ts";
import { findPairs, hasLookalikes } from "./pairs.ts";

/** Compares originals with their copies. */
export async function checkCopied(change: CopyChange, context: VerifyContext): Promise<void> {
  const lookalikes = await hasLookalikes(change, context);
  const check = (keys: readonly Binary[], size: BatchSize) =>
    checkCopies(change, context, lookalikes, keys, size);
  if (context.sample === undefined) {
    await walk(context.store, { ...context, pattern: change.pattern, visit: check });
    return;
  }
  const sample = chooseSample(context.sample, change.groupOf);
  await walk(context.store, { ...context, pattern: change.pattern, visit: sample.visit });
  for (const keys of sampleOf(sample)) await check(keys, new BatchSize(new ReplyClock(), "records"));
}

/** Compares the originals of a batch with their copies. */
async function checkCopies(
  change: CopyChange,
  { store, report, later }: VerifyContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const pairs = await findPairs(change, store, lookalikes, keys);
  const contents = await size.measure(
    "read",
    pairs.length,
    () =>
      readContents(store, pairs.flatMap(({ source, target }) => [source, target]), {
        types: pairs.flatMap(({ type }) => [type, type]),
        digests: false,
      }),
  );
  const read: ReadPair[] = [];
  pairs.forEach((pair, i) => {
    const [original, copy] = [contents[2 * i]!, contents[2 * i + 1]!];
    if (original === null) return;
    if (copy !== null) read.push({ pair, original, copy });
    else report.fail(`${display(pair.source)}: its copy ${display(pair.target)} is missing`);
  });
  const judgements = await judgePairs(store, read, later, change.listed);
  judgements.forEach((judgement, i) => {
    const { source, target } = read[i]!.pair;
    if (judgement !== "different") report.pass();
    else report.fail(`${display(source)}: its copy ${display(target)} is different`);
  });
}
