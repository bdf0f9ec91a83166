/**
 * Finds out whether there are records of another kind whose keys look the same. That takes a walk over all keys, so what a
 * run has found absent it does not search for again.
 *
 * @module
 */

import type { Fence } from "../lock/lock.ts";
import { OpenSlotsError } from "./errors.ts";
import { readFacts } from "./facts.ts";
import { anyKey } from "./walk/key_search.ts";
import type { ReadContext } from "./context.ts";
import type { Lookalikes } from "./transform/change.ts";

/** What such a search needs to know. */
type Search = Pick<Lookalikes, "pattern" | "fields" | "isOne">;

/** What each run found absent. Its lock keeps other tools away, and the fence stands for the lock. */
const ABSENT = new WeakMap<Fence, Set<Search["isOne"]>>();

/** True when there are any. @param context With the fence of the run, if it writes. */
export async function anyLookalike(
  { pattern, fields, isOne }: Search,
  context: ReadContext & { readonly fence?: Fence | undefined },
): Promise<boolean> {
  const { store, signal, fence } = context;
  const absent = fence === undefined ? undefined : ABSENT.get(fence);
  if (absent?.has(isOne)) return false;
  const search = anyKey(store, pattern, signal, async (keys) => {
    const facts = await readFacts(store, keys, fields);
    return keys.some((key) => isOne(key, facts.get(key)!));
  });
  const found = await search.catch((error: unknown) => {
    if (error instanceof OpenSlotsError) return true; // Where that cannot be told, each record is asked about.
    throw error;
  });
  if (!found && fence !== undefined) ABSENT.set(fence, (absent ?? new Set()).add(isOne));
  return found;
}
