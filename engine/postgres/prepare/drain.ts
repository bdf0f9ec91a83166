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
export const BATCH = 1000;

/** Rows are found by their keys: a plan that reads a whole table would be chosen for small tables alone, and be kept too long. */
export const BY_INDEX = `
  SELECT set_config(name, 'off', true)
    FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']) AS name`;

/**
 * Below which numbers no note is to come any more. Notes that were taken stay in the index for as long as anybody reads an old state of
 * the database, a backup for one: without this each batch would pass by all of those before it.
 */
export interface Horizon {
  /** For each source in order: no note up to this number is there, or will be. */
  readonly passed: readonly string[];
  /** Numbers that were drawn by then, all of them by transactions before that one; null before the first look. */
  readonly ahead: { readonly numbers: readonly string[]; readonly transaction: string } | null;
}

/** Notes may have any number. */
export function noHorizon({ sources }: Preparation): Horizon {
  return { passed: sources.map(() => "0"), ahead: null };
}

/**
 * Takes in a batch, within a transaction.
 *
 * @returns The notes that were taken, 0 only where none is left; and the horizon afterwards, which holds once this is committed.
 */
export async function drain(
  query: Query,
  preparation: Preparation,
  horizon: Horizon,
): Promise<{ readonly taken: number; readonly horizon: Horizon }> {
  await query(BY_INDEX);
  const { sources } = preparation;
  const ahead = horizon.ahead ?? await lookAhead(query, sources);
  const settled = ahead !== null && await isOver(query, ahead.transaction);
  const notes = await takeIn(query, preparation, horizon.passed);
  const passed = notes.map((rows, index) => {
    const drawn = settled ? ahead.numbers[index]! : horizon.passed[index]!;
    return settled && rows.length === BATCH ? lower(drawn, highest(rows)!) : drawn;
  });
  const reached = ahead !== null && passed.every((number, index) => number === ahead.numbers[index]);
  return { taken: notes.flat().length, horizon: { passed, ahead: reached ? null : ahead } };
}

/** What was noted: its number, and the key as JSON. */
type Note = { readonly number: string; readonly key: string };

/**
 * Takes in a batch of each source, within a transaction in which rows are found {@linkcode BY_INDEX}.
 *
 * @param passed For each source in order, a number below those that are taken.
 * @returns What was taken of each.
 */
export async function takeIn(
  query: Query,
  { sources, parts }: Preparation,
  passed: readonly string[],
): Promise<readonly (readonly Note[])[]> {
  const notes = await Promise.all(
    sources.map((source, index) => query<Note>(takeNotes(source), [BATCH, passed[index]!])),
  );
  const noted = new Map(sources.map((source, index) => [source, notes[index]!.map(({ key }) => key)]));
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
    await Promise.all([query(removeKeys(part), [list]), query(fillKeys(part), [list])]);
  }
  return notes;
}

/** Counts the notes that are left. */
export async function countLeft(
  query: Query,
  { sources }: Preparation,
  { passed }: Pick<Horizon, "passed">,
): Promise<number> {
  const notes = sources.map(({ notes }, index) =>
    `SELECT FROM ${notes.table} WHERE number > ${passed[index]!}`
  );
  const [found] = await query<{ n: string }>(
    `SELECT count(*)::text AS n FROM (${notes.join(" UNION ALL ")}) AS notes`,
  );
  return Number(found!.n);
}

/**
 * A transaction has its own number before it draws one for a note. So those who drew the numbers that are read here are all before the
 * one that is this transaction's from then on, however many of them are still at work.
 *
 * @returns Null where this transaction has a number already.
 */
async function lookAhead(query: Query, sources: readonly Source[]): Promise<Horizon["ahead"]> {
  const drawn = sources.map(({ notes }) =>
    `coalesce(pg_sequence_last_value(pg_get_serial_sequence('${notes.table}', 'number')::regclass), 0)::text`
  );
  const [row] = await query<{ numbers: string; early: boolean }>(
    `SELECT json_build_array(${
      drawn.join(", ")
    })::text AS numbers, txid_current_if_assigned() IS NULL AS early`,
  );
  if (!row!.early) return null;
  const [own] = await query<{ transaction: string }>("SELECT txid_current()::text AS transaction");
  return { numbers: JSON.parse(row!.numbers), transaction: own!.transaction };
}

/** True where every transaction before one is over: its notes are seen, or never were. */
async function isOver(query: Query, transaction: string): Promise<boolean> {
  const [found] = await query<{ over: boolean }>(
    "SELECT txid_snapshot_xmin(txid_current_snapshot()) >= $1::bigint AS over",
    [transaction],
  );
  return found!.over;
}

function lower(one: string, other: string): string {
  return BigInt(one) < BigInt(other) ? one : other;
}

/** The highest number, or null of none. */
export function highest(rows: readonly Note[]): string | null {
  return rows.map(({ number }) => number)
    .reduce<string | null>((one, other) => one === null || lower(one, other) === one ? other : one, null);
}

/** Keys are JSON already, written by the database. */
function listOf(keys: Iterable<string>): string {
  return `[${[...keys].join(",")}]`;
}
