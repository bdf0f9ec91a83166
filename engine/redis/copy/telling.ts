/**
 * Originals that tell others apart from records of another kind: without them these would be taken for such records, and nobody
 * would know that they are still there.
 *
 * @module
 */

import { asked } from "../asked.ts";
import type { Binary } from "../binary.ts";
import type { ReadContext } from "../context.ts";
import { readFacts } from "../facts.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import { findContested, findPairs, type Pair } from "./pairs.ts";

/** True for an original by which others are told apart. */
export function tellsApart({ lookalikes }: CopyChange, pair: Pair): boolean {
  if (lookalikes === undefined) return false;
  return asked("isOne", lookalikes, pair.source, () => lookalikes.isOne(pair.source, pair));
}

/**
 * Finds those without which others that are still there might not be known any more.
 *
 * @param telling Keys that may be of originals by which others are told apart.
 */
export async function findNeeded(
  change: CopyChange,
  context: ReadContext,
  telling: ReadonlySet<Binary>,
): Promise<Set<Binary>> {
  const needed = new Set<Binary>();
  if (telling.size === 0) return needed;
  const { store } = context;
  const visit = async (keys: readonly Binary[]) => {
    const pairs = await findPairs(change, store, true, keys);
    const contested = await findContested(change, store, pairs);
    // What stands where the copy of another goes, and may be one of these.
    const others = pairs.filter(({ source }) => contested.has(source)).map(({ target }) => target);
    const factsOf = await readFacts(store, others, change.fields);
    const known = [
      ...pairs.filter((pair) => !tellsApart(change, pair)) // That tells of itself what it is.
        .map((pair) => [pair.source, pair] as const),
      ...others.map((key) => [key, factsOf(key)] as const),
    ];
    for (const [key, facts] of known) {
      const asks = new Set(change.questions(key, facts));
      for (const one of telling) if (asks.has(one)) needed.add(one);
    }
  };
  await walk(context.store, { ...context, pattern: change.pattern, visit });
  return needed;
}
