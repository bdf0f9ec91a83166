/**
 * Counts records that have a copy already, or have none any more, by how the two stand to each other.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import type { ReadContext, WriteContext } from "../context.ts";
import type { CopyChange, ListKeys } from "./change.ts";
import { type Content, type ContentReading, readContents } from "./content.ts";
import { judgePairs, type ReadPair } from "./judgement.ts";
import { findContested } from "./pairs.ts";
import type { Verdict } from "./verdict.ts";

/** A pair that was read and judged. */
export interface JudgedPair<Keys extends ListKeys> extends ReadPair {
  readonly pair: Keys;
  readonly verdict: Verdict;
}

/** What judging works with. */
type JudgeContext = ReadContext & {
  /** False where it is known that there are none: then no copy can be another original. */
  readonly lookalikes?: boolean;
};

/**
 * Reads and judges pairs, in portions. Originals that are gone are left out.
 *
 * @param originals Where they were read already: then only copies are.
 */
export async function* judged<Keys extends ListKeys>(
  change: CopyChange,
  context: JudgeContext,
  pairs: readonly Keys[],
  reading: ContentReading = { digests: false },
  originals?: ReadonlyMap<Binary, Content>,
): AsyncGenerator<JudgedPair<Keys>[]> {
  let next = 0;
  const keys = pairs.flatMap(({ source, target }) => originals === undefined ? [source, target] : [target]);
  const forms = originals === undefined ? 2 : 1;
  for await (const contents of readContents(context.store, keys, reading, forms)) {
    const read: (ReadPair & { readonly pair: Keys })[] = [];
    for (let i = 0; i < contents.length; i += forms) {
      const pair = pairs[next++]!;
      const original = originals === undefined ? contents[i]! : originals.get(pair.source)!;
      if (original !== null) read.push({ pair, original, copy: contents[i + forms - 1]! });
    }
    const verdicts = await judgePairs(context.store, { change, ...context }, read);
    // Once all had a copy, most that are newer are what the application made of them.
    const isDoubtful = (verdict: Verdict) =>
      verdict === "different" || (verdict === "newer" && context.doneSince === null);
    const doubtful = context.lookalikes === false
      ? []
      : read.flatMap(({ pair }, i) => isDoubtful(verdicts[i]!) ? [pair] : []);
    const contested = await findContested(change, context.store, doubtful);
    yield read.map((one, i) => ({
      ...one,
      verdict: contested.has(one.pair.source) ? "contested" : verdicts[i]!,
    }));
  }
}

/** Counts pairs whose target was found taken. */
export async function weigh(
  change: CopyChange,
  context: WriteContext & JudgeContext,
  pairs: readonly ListKeys[],
): Promise<void> {
  for await (const portion of judged(change, context, pairs)) {
    for (const one of portion) count(context, one);
  }
}

/** Counts pairs. @returns Those that are to get a copy. */
export async function toBeCopied<Keys extends ListKeys>(
  change: CopyChange,
  context: WriteContext & JudgeContext,
  pairs: readonly Keys[],
): Promise<Keys[]> {
  const wanted: Keys[] = [];
  for await (const portion of judged(change, context, pairs)) {
    for (const one of portion) {
      if (one.verdict === "late" || one.verdict === "absent") wanted.push(one.pair);
      else count(context, one);
    }
  }
  return wanted;
}

function count({ tally }: WriteContext, { pair: { source, target }, verdict }: JudgedPair<ListKeys>): void {
  switch (verdict) {
    case "same":
    case "deleted":
      return tally.pass(source);
    case "newer":
      tally.conflicts++;
      tally.recover(source);
      tally.note(`${display(target)}: kept, it is newer than the record that was to be copied there`);
      return;
    case "different":
    case "contested":
    case "unknown":
      tally.differ(source, faultOf(verdict, target)!);
      return;
    default: // Its copy has gone meanwhile: the application did that.
      tally.skipped++;
  }
}

/** True for what nobody but a person can settle. */
export function isUndecided(verdict: Verdict): boolean {
  return verdict === "different" || verdict === "contested" || verdict === "unknown";
}

/** What is wrong with an original whose copy does not prove it, for people; null when nothing is. */
export function faultOf(verdict: Verdict, target: string): string | null {
  switch (verdict) {
    case "different":
      return `its copy ${display(target)} is different`;
    case "contested":
      return `its copy ${display(target)} may be another record that has no copy`;
    case "absent":
      return `it has no copy ${display(target)}`;
    case "late":
      return `it was written after all had been copied, and has no copy ${display(target)}`;
    case "unknown":
      return `it has no copy ${display(target)}, and nothing tells whether the application deleted that`;
    default:
      return null;
  }
}
