/**
 * Records of another kind whose keys look the same: whether there are any has to be known before a key can be judged. Reading and
 * deleting begin as if there were none, and anew when one turns up; before anything else is written they are searched for.
 *
 * @module
 */

import { asked } from "./asked.ts";
import type { Binary } from "./binary.ts";
import { OpenSlotsError } from "./errors.ts";
import { readFacts } from "./facts.ts";
import { anyKey, untilEnough } from "./walk/key_search.ts";
import type { ReadContext } from "./context.ts";
import type { CopyChange } from "./copy/change.ts";
import type { RedisStore } from "./store.ts";
import type { Lookalikes, TransformChange } from "./transform/change.ts";
import { throwIfAborted } from "./walk/pacing.ts";
import { coveringPattern, matcherOf } from "./walk/pattern.ts";
import type { WalkOptions } from "./walk/part.ts";
import { walk } from "./walk/walk.ts";

/** What such a search needs to know. */
type Search = Pick<Lookalikes, "pattern" | "fields" | "isOne">;

/** What a search came upon. */
interface Sight {
  /** There are some that the changes have to know of. */
  readonly found: boolean;
  /** There is no key that matches one of the patterns. */
  readonly isEmpty: boolean;
}

/**
 * Searches for records that some changes have to know of.
 *
 * @param patterns Other keys to look for on the way.
 */
export async function lookAhead(
  changes: readonly (CopyChange | TransformChange)[],
  { store, signal }: Pick<ReadContext, "store" | "signal">,
  patterns: readonly Binary[] = [],
): Promise<Sight> {
  const searches = searchesOf(changes);
  if (searches.length === 0) return { found: false, isEmpty: false };
  let isEmpty = true;
  const covering = coveringPattern([...patterns, ...searches.map(({ search }) => search.pattern)]);
  const found = await anyKey(store, covering, signal, (keys) => {
    isEmpty = false;
    return anyOf(store, searches, keys);
  }).catch((error: unknown) => {
    if (!(error instanceof OpenSlotsError)) throw error;
    isEmpty = false;
    return true; // Where that cannot be told, each record is asked about.
  });
  return { found, isEmpty };
}

async function anyOf(
  store: RedisStore,
  searches: ReturnType<typeof searchesOf>,
  keys: readonly Binary[],
): Promise<boolean> {
  const looks = searches.map(({ search, matches }) => anyAmong(store, search, keys.filter(matches)));
  return (await Promise.all(looks)).includes(true);
}

async function anyAmong(
  store: RedisStore,
  search: Search,
  keys: readonly Binary[],
): Promise<boolean> {
  if (keys.length === 0) return false;
  const factsOf = await readFacts(store, keys, search.fields);
  return keys.some((key) => asked("isOne", search, key, () => search.isOne(key, factsOf(key))));
}

/** What changes have to know of records that look like those that they are about, each once. */
function searchesOf(changes: readonly (CopyChange | TransformChange)[]) {
  const searches = changes.flatMap((change): Search[] => {
    if (change.lookalikes === undefined) return [];
    return [change.type === "copy" ? { ...change.lookalikes, fields: change.fields } : change.lookalikes];
  });
  return searches.filter((search, i) => searches.findIndex((other) => isSame(other, search)) === i)
    .map((search) => ({ search, matches: matcherOf(search.pattern) }));
}

/** The same function means others among other keys, and sees others where other fields are read. */
function isSame(one: Search, other: Search): boolean {
  return one.isOne === other.isOne && one.pattern === other.pattern &&
    one.fields.length === other.fields.length && one.fields.every((field, i) => field === other.fields[i]);
}

/**
 * Walks once over the keys of several changes, to read, or to delete what is decided without regard to lookalikes.
 *
 * @param begin Begins to look: at keys of all changes, each of which has to be asked whether it means them. Called again, to begin
 * anew, when lookalikes turn up: with true, and records have to be told from them.
 * @throws {InterruptedError} When the signal fired.
 */
export async function walkOver(
  store: RedisStore,
  changes: readonly (CopyChange | TransformChange)[],
  options: Omit<WalkOptions, "pattern" | "visit">,
  begin: (lookalikes: boolean) => WalkOptions["visit"],
): Promise<void> {
  const searches = searchesOf(changes);
  const pattern = coveringPattern([
    ...changes.map((change) => change.pattern),
    ...searches.map(({ search }) => search.pattern),
  ]);
  const visit = begin(false);
  const found = await untilEnough(options.signal, (signal, enough) =>
    walk(store, {
      ...options,
      pattern,
      signal,
      visit: async (keys, size) => {
        if (await anyOf(store, searches, keys)) enough();
        else await visit(keys, size);
      },
    }));
  if (!found) return;
  throwIfAborted(options.signal);
  await walk(store, { ...options, pattern, visit: begin(true) });
}
