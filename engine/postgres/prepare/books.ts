/**
 * The table that says what is prepared and how far it is: one row, written in the transaction of whatever it tells.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import { hint } from "../../hint.ts";
import { type Query, tableExists } from "../query.ts";
import { assertReadable, assertTrusted } from "../trusted_tables.ts";
import { listOf, type Preparation, tablesOf } from "./describe.ts";
import { fingerprint } from "./notes.ts";

/** What is written down of a preparation. */
export interface PreparedBooks {
  /** Version of the database that it is for, and the one that it leads to. */
  readonly from: number;
  readonly to: number;
  readonly checksum: string;
  readonly fingerprint: string;
  /** What is being done, an index of what {@linkcode stagesOf} gives; its length when it is ready. */
  readonly stage: number;
  /** The last key that was copied in this stage, as JSON; null before the first. */
  readonly position: string | null;
  /** For each source in order, the highest key when the watch began, as JSON; null where there was no row. */
  readonly highest: readonly (string | null)[];
  /** Rows copied so far. */
  readonly rows: number;
  readonly ready: boolean;
  readonly startedAt: Date;
  /** For example `user@host`. */
  readonly startedBy: string;
}

const COLUMNS = [
  "from_version bigint",
  "to_version bigint",
  "checksum text",
  "fingerprint text",
  "stage integer",
  "position text",
  "highest jsonb",
  "kept jsonb",
  "rows bigint",
  "ready_at timestamp with time zone",
  "started_at timestamp with time zone",
  "started_by text",
  "tool_version text",
];

/** The statement that makes the table. */
export function makeBooks(name: string): string {
  return `CREATE TABLE ${name} (${COLUMNS.join(", ")})`;
}

/** True where something is prepared, or was begun. */
export async function isPrepared(query: Query, name: string): Promise<boolean> {
  return await tableExists(query, name);
}

/**
 * Reads it. Nothing is written.
 *
 * @returns Null where nothing is prepared.
 * @throws {RefusedError} When the table is none of this tool's.
 */
export async function readBooks(query: Query, schema: string, name: string): Promise<PreparedBooks | null> {
  if (!await isPrepared(query, name)) return null;
  await assertReadable(query, schema, [{ name, columns: COLUMNS }]);
  const [row] = await query<BooksRow>(
    `SELECT from_version::int AS "from", to_version::int AS "to", checksum, fingerprint, stage, position,
            highest::text AS highest, rows::text AS rows, ready_at IS NOT NULL AS ready,
            floor(extract(epoch FROM started_at) * 1000)::bigint::text AS millis, started_by AS "startedBy"
       FROM ${name}`,
  );
  if (row === undefined) throw new RefusedError(`Cannot read what is prepared: "${name}" is empty`);
  const { millis, rows, highest, ...rest } = row;
  return {
    ...rest,
    rows: Number(rows),
    highest: JSON.parse(highest),
    startedAt: new Date(Number(millis)),
  };
}

interface BooksRow {
  readonly from: number;
  readonly to: number;
  readonly checksum: string;
  readonly fingerprint: string;
  readonly stage: number;
  readonly position: string | null;
  readonly highest: string;
  readonly rows: string;
  readonly ready: boolean;
  readonly millis: string;
  readonly startedBy: string;
}

/** @throws {RefusedError} When the table holds anything that acts when it is written to. */
export async function assertOwn(query: Query, schema: string, name: string): Promise<void> {
  await assertTrusted(query, schema, [{ name, columns: COLUMNS }]);
}

/** Writes the row down for the first time. */
export async function beginBooks(
  query: Query,
  preparation: Preparation,
  begun: {
    readonly fingerprint: string;
    readonly highest: readonly (string | null)[];
    readonly by: string;
    readonly toolVersion: string;
  },
): Promise<void> {
  const { name, versions, checksum, parts } = preparation;
  const watched = tablesOf(preparation);
  const kept = parts.flatMap(({ into, source: { table, key } }): Kept[] =>
    into.kind === "kept" ? [{ ...into, from: { table, key: listOf(key), watched } }] : []
  );
  await query(
    `INSERT INTO ${name} VALUES ($1::bigint, $2::bigint, $3::text, $4::text, 0, NULL, $5::text::jsonb, $6::text::jsonb, 0, NULL,
                                 clock_timestamp(), $7::text, $8::text)`,
    [
      versions[0]! - 1,
      versions.at(-1)!,
      checksum,
      begun.fingerprint,
      JSON.stringify(begun.highest),
      JSON.stringify(kept),
      begun.by,
      begun.toolVersion,
    ],
  );
}

/** Notes how far a stage is. */
export async function advance(
  query: Query,
  name: string,
  to: { readonly stage: number; readonly position: string | null; readonly rows: number },
): Promise<void> {
  await query(`UPDATE ${name} SET stage = $1::int, position = $2::text, rows = $3::bigint`, [
    to.stage,
    to.position,
    to.rows,
  ]);
}

/** Notes that all is built and proven. */
export async function markReady(query: Query, name: string, stage: number): Promise<void> {
  await query(`UPDATE ${name} SET stage = $1::int, position = NULL, ready_at = clock_timestamp()`, [stage]);
}

/** What was kept elsewhere, and where it is from. */
interface Kept {
  readonly map: string;
  readonly table: string;
  readonly id: string;
  /** The table that the rows are in, its key, and all tables that are watched. */
  readonly from: { readonly table: string; readonly key: string; readonly watched: readonly string[] };
}

/**
 * Deletes from elsewhere what was kept there for the day of the switch. Where a write may have gone unseen, another tool may have taken
 * the very rows away, and may have gone back since: then only what is still where it was is deleted.
 */
export async function forgetKept(query: Query, name: string): Promise<void> {
  const [row] = await query<{ kept: string; fingerprint: string }>(
    `SELECT kept::text AS kept, fingerprint FROM ${name}`,
  );
  for (const { map, table, id, from } of JSON.parse(row?.kept ?? "[]") as Kept[]) {
    const seen = await fingerprint(query, from.watched) === row!.fingerprint;
    if (!seen && !await tableExists(query, from.table)) continue;
    const there = ` AND (${from.key}) IN (SELECT ${from.key} FROM ${from.table})`;
    await query(
      `DELETE FROM ${table} AS kept USING (SELECT kept_id FROM ${map} WHERE true${seen ? "" : there}) AS map
        WHERE kept.${id} = map.kept_id`,
    );
  }
}

/** @throws {RefusedError} When what is prepared is for something else. */
export function assertFitting(books: PreparedBooks, preparation: Preparation | null, version: number): void {
  const problem = mismatch(books, preparation, version);
  if (problem === null) return;
  throw new RefusedError(`Cannot use what is prepared: ${problem}`, { hint: TAKE_AWAY });
}

/** What to do with a preparation that is of no use. */
export const TAKE_AWAY = hint`Take it away with ${"prepare --abort"}, and prepare anew`;

/** Why what is prepared does not fit, or null when it does. */
export function mismatch(
  { from, to, checksum }: PreparedBooks,
  preparation: Preparation | null,
  version: number,
): string | null {
  if (from !== version) return `it is for version ${from}, and the database is at version ${version}`;
  if (preparation === null || preparation.versions.at(-1) !== to) {
    return `it is for the versions ${from + 1} to ${to}, all at once`;
  }
  return checksum === preparation.checksum ? null : "another release of this program began it";
}
