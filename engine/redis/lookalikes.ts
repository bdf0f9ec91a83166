/**
 * Records of another kind whose keys look the same: whether there are any has to be known before a key can be judged. Reading
 * begins as if there were none, and anew when one turns up; before anything is written they are searched for, and what a run has
 * found absent it does not search for again.
 *
 * @module
 */

import type { Fence } from "../lock/lock.ts";
import { InterruptedError } from "../errors.ts";
import type { Binary } from "./binary.ts";
import { OpenSlotsError } from "./errors.ts";
import { readFacts } from "./facts.ts";
import { anyKey } from "./walk/key_search.ts";
import type { ReadContext } from "./context.ts";
import type { CopyChange } from "./copy/change.ts";
import type { RedisStore } from "./store.ts";
import type { Lookalikes, TransformChange } from "./transform/change.ts";
import { coveringPattern, matcherOf } from "./walk/pattern.ts";
import { walk, type WalkOptions } from "./walk/walk.ts";

/** What such a search needs to know. */
type Search = Pick<Lookalikes, "pattern" | "fields" | "isOne">;

/** What each run found absent. Its lock keeps other tools away, and the fence stands for the lock. */
const ABSENT = new WeakMap<Fence, Set<Search["isOne"]>>();

/** True when there are any. @param context With the fence of the run, if it writes. */
export async function anyLookalike(
  { pattern, fields, isOne }: Search,
  context: Pick<ReadContext, "store" | "signal"> & { readonly fence?: Fence | undefined },
): Promise<boolean> {
  const { store, signal, fence } = context;
  const absent = fence === undefined ? undefined : ABSENT.get(fence);
  if (absent?.has(isOne)) return false;
  const search = anyKey(store, pattern, signal, (keys) => anyAmong(store, { pattern, fields, isOne }, keys));
  const found = await search.catch((error: unknown) => {
    if (error instanceof OpenSlotsError) return true; // Where that cannot be told, each record is asked about.
    throw error;
  });
  if (!found && fence !== undefined) ABSENT.set(fence, (absent ?? new Set()).add(isOne));
  return found;
}

async function anyAmong(
  store: RedisStore,
  { fields, isOne }: Search,
  keys: readonly Binary[],
): Promise<boolean> {
  if (keys.length === 0) return false;
  const facts = await readFacts(store, keys, fields);
  return keys.some((key) => isOne(key, facts.get(key)!));
}

/** What a change has to know of records that look like those that it is about; null for nothing. */
export function searchOf(change: CopyChange | TransformChange): Search | null {
  if (change.lookalikes === undefined) return null;
  return change.type === "copy" ? { ...change.lookalikes, fields: change.fields } : change.lookalikes;
}

/**
 * Walks once over the keys of several changes, to read.
 *
 * @param begin Begins to look: at keys of all changes, each of which has to be asked whether it means them. Called again, to begin
 * anew, when lookalikes turn up: with true, and records have to be told from them.
 * @throws {InterruptedError} When the signal fired.
 */
export async function walkOver(
  store: RedisStore,
  changes: readonly (CopyChange | TransformChange)[],
  options: Omit<WalkOptions, "pattern" | "visit">,
  begin: (apart: boolean) => (keys: readonly Binary[]) => Promise<void>,
): Promise<void> {
  const searches = changes.flatMap((change) => {
    const search = searchOf(change);
    return search === null ? [] : [{ search, matches: matcherOf(search.pattern) }];
  });
  const distinct = searches.filter(({ search }, i) =>
    searches.findIndex((other) => other.search.isOne === search.isOne) === i
  );
  const pattern = coveringPattern([
    ...changes.map((change) => change.pattern),
    ...distinct.map(({ search }) => search.pattern),
  ]);
  const found = new AbortController();
  const visit = begin(false);
  try {
    await walk(store, {
      ...options,
      pattern,
      signal: AbortSignal.any([options.signal, found.signal]),
      visit: async (keys) => {
        const looks = distinct.map(({ search, matches }) => anyAmong(store, search, keys.filter(matches)));
        if ((await Promise.all(looks)).includes(true)) found.abort();
        else await visit(keys);
      },
    });
  } catch (error) {
    if (!found.signal.aborted || !(error instanceof InterruptedError) || options.signal.aborted) throw error;
    await walk(store, { ...options, pattern, visit: begin(true) });
  }
}
