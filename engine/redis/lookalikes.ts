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
import type { WalkOptions } from "./walk/part.ts";
import { walk } from "./walk/walk.ts";

/** What such a search needs to know. */
type Search = Pick<Lookalikes, "pattern" | "fields" | "isOne">;

/** What each run found absent. Its lock keeps other tools away, and the fence stands for the lock. */
const ABSENT = new WeakMap<Fence, Set<Search["isOne"]>>();

/** True when there are any that some changes have to know of. @param context With the fence of the run, if it writes. */
export async function anyLookalike(
  changes: readonly (CopyChange | TransformChange)[],
  context: Pick<ReadContext, "store" | "signal"> & { readonly fence?: Fence | undefined },
): Promise<boolean> {
  for (const { search } of searchesOf(changes)) if (await isPresent(search, context)) return true;
  return false;
}

async function isPresent(
  search: Search,
  { store, signal, fence }: Parameters<typeof anyLookalike>[1],
): Promise<boolean> {
  const absent = fence === undefined ? undefined : ABSENT.get(fence);
  if (absent?.has(search.isOne)) return false;
  const found = await anyKey(store, search.pattern, signal, (keys) => anyAmong(store, search, keys)).catch(
    (error: unknown) => {
      if (error instanceof OpenSlotsError) return true; // Where that cannot be told, each record is asked about.
      throw error;
    },
  );
  if (!found && fence !== undefined) ABSENT.set(fence, (absent ?? new Set()).add(search.isOne));
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

/** What changes have to know of records that look like those that they are about, each once. */
function searchesOf(changes: readonly (CopyChange | TransformChange)[]) {
  const searches = changes.flatMap((change): Search[] => {
    if (change.lookalikes === undefined) return [];
    return [change.type === "copy" ? { ...change.lookalikes, fields: change.fields } : change.lookalikes];
  });
  return searches.filter(({ isOne }, i) => searches.findIndex((other) => other.isOne === isOne) === i)
    .map((search) => ({ search, matches: matcherOf(search.pattern) }));
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
  begin: (apart: boolean) => WalkOptions["visit"],
): Promise<void> {
  const searches = searchesOf(changes);
  const pattern = coveringPattern([
    ...changes.map((change) => change.pattern),
    ...searches.map(({ search }) => search.pattern),
  ]);
  const found = new AbortController();
  const visit = begin(false);
  try {
    await walk(store, {
      ...options,
      pattern,
      signal: AbortSignal.any([options.signal, found.signal]),
      visit: async (keys, size) => {
        const looks = searches.map(({ search, matches }) => anyAmong(store, search, keys.filter(matches)));
        if ((await Promise.all(looks)).includes(true)) found.abort();
        else await visit(keys, size);
      },
    });
  } catch (error) {
    if (!found.signal.aborted || !(error instanceof InterruptedError) || options.signal.aborted) throw error;
    await walk(store, { ...options, pattern, visit: begin(true) });
  }
}
