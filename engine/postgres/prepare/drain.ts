/**
 * Takes in what was written while new tables were filled. A key that was noted is made anew from the row as it is now: so it does not
 * matter how often, in which order, or by which of several transactions at once it was written.
 *
 * @module
 */

import type { Query } from "../query.ts";
import type { Preparation, Source } from "./describe.ts";
import { fillKeys, followingKeys, removeKeys, takeNotes } from "./part.ts";

/** Notes of one source that are taken at once. */
const BATCH = 1000;

/** Rows are found by their keys: a plan that reads a whole table would be chosen for small tables alone, and be kept too long. */
export const BY_INDEX = `
  SELECT set_config(name, 'off', true)
    FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']) AS name`;

/**
 * Takes in a batch, within a transaction.
 *
 * @returns The notes that were taken; fewer than there may be only where none is left.
 */
export async function drain(query: Query, { sources, parts }: Preparation): Promise<number> {
  await query(BY_INDEX);
  const noted = new Map<Source, readonly string[]>();
  let taken = 0;
  for (const source of sources) {
    const rows = await query<{ key: string }>(takeNotes(source), [BATCH]);
    taken += rows.length;
    noted.set(source, rows.map(({ key }) => key));
  }
  for (const part of parts) {
    const followed = sources.find(({ table }) => table === part.follows?.table);
    const keys = new Set(noted.get(part.source));
    const others = followed === undefined ? [] : noted.get(followed)!;
    if (followed !== undefined && others.length > 0) {
      for (const { key } of await query<{ key: string }>(followingKeys(part, followed), [listOf(others)])) {
        keys.add(key);
      }
    }
    if (keys.size === 0) continue;
    const list = listOf(keys);
    await query(removeKeys(part), [list]);
    await query(fillKeys(part), [list]);
  }
  return taken;
}

/** Keys are JSON already, written by the database. */
function listOf(keys: Iterable<string>): string {
  return `[${[...keys].join(",")}]`;
}
