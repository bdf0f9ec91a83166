/**
 * Writes the books: the version table shared with golang-migrate or ley, and the history beside it.
 *
 * @module
 */

import { type SqlStep, stepChecksum } from "../sql/step.ts";
import { type BookkeepingNames, hasTable, tableName } from "./bookkeeping.ts";
import type { Query } from "./query.ts";

/** Creates the tables that are missing. The version table is made as golang-migrate makes it. */
export async function ensureBookkeeping(
  query: Query,
  schema: string,
  names: BookkeepingNames,
): Promise<void> {
  if (!await hasTable(query, schema, names.bookkeepingTable)) {
    await query(
      `CREATE TABLE IF NOT EXISTS ${tableName(schema, names.bookkeepingTable)} ${
        names.leyFiles === undefined
          ? "(version bigint not null primary key, dirty boolean not null)"
          : "(id serial primary key, name varchar(255) NOT NULL, created_at timestamp NOT NULL)"
      }`,
    );
  }
  if (await hasTable(query, schema, names.historyTable)) return;
  await query(
    `CREATE TABLE IF NOT EXISTS ${tableName(schema, names.historyTable)} (
       version bigint NOT NULL PRIMARY KEY,
       id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
       name text NOT NULL,
       checksum text NOT NULL,
       status text NOT NULL,
       applied_by text NOT NULL,
       applied_at timestamptz,
       duration_ms bigint,
       tool_version text NOT NULL
     )`,
  );
}

/** Makes the version table say `version`, not dirty; no row for 0. */
export async function writeVersion(
  query: Query,
  schema: string,
  names: BookkeepingNames,
  version: number,
): Promise<void> {
  if (names.leyFiles !== undefined) {
    return await writeFiles(query, schema, names.bookkeepingTable, names.leyFiles.slice(0, version));
  }
  await query(`DELETE FROM ${tableName(schema, names.bookkeepingTable)}`);
  if (version > 0) {
    await query(
      `INSERT INTO ${tableName(schema, names.bookkeepingTable)} (version, dirty) VALUES ($1::bigint, false)`,
      [version],
    );
  }
}

/** Makes ley's table hold these names, in this order. */
async function writeFiles(
  query: Query,
  schema: string,
  name: string,
  files: readonly string[],
): Promise<void> {
  const applied = tableName(schema, name);
  const list = JSON.stringify(files);
  await query(
    `DELETE FROM ${applied} WHERE name NOT IN (SELECT jsonb_array_elements_text($1::text::jsonb))`,
    [list],
  );
  await query(
    `INSERT INTO ${applied} (name, created_at)
     SELECT f.name, now() FROM jsonb_array_elements_text($1::text::jsonb) WITH ORDINALITY AS f (name, place)
      WHERE f.name NOT IN (SELECT name FROM ${applied}) ORDER BY f.place`,
    [list],
  );
}

/** What is recorded of a step. */
export interface HistoryEntry {
  readonly step: SqlStep;
  readonly status: "applied" | "applying" | "reverting";
  /** Who applied it. */
  readonly by: string;
  /** False for a step that was applied before it was recorded: when is not known. */
  readonly timed: boolean;
  /** Milliseconds, or null where that is not known. */
  readonly durationMs: number | null;
  readonly toolVersion: string;
}

/** Records steps, in place of what was recorded of them. */
export async function writeHistory(
  query: Query,
  schema: string,
  names: BookkeepingNames,
  entries: readonly HistoryEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  const rows = JSON.stringify(entries.map(({ step, status, by, timed, durationMs, toolVersion }) => ({
    version: step.version,
    name: step.name,
    checksum: stepChecksum(step),
    status,
    by,
    timed,
    duration_ms: durationMs,
    tool_version: toolVersion,
  })));
  const history = tableName(schema, names.historyTable);
  await query(
    `DELETE FROM ${history} WHERE version IN (
       SELECT version FROM jsonb_to_recordset($1::text::jsonb) AS entry (version bigint))`,
    [rows],
  );
  await query(
    `INSERT INTO ${history}
       (version, name, checksum, status, applied_by, applied_at, duration_ms, tool_version)
     SELECT version, name, checksum, status, by, CASE WHEN timed THEN clock_timestamp() END, duration_ms, tool_version
       FROM jsonb_to_recordset($1::text::jsonb) AS entry (version bigint, name text, checksum text, status text, by text,
                                                         timed boolean, duration_ms bigint, tool_version text)
      ORDER BY version`,
    [rows],
  );
}

/** Forgets what the history holds above a version. */
export async function trimHistory(
  query: Query,
  schema: string,
  names: BookkeepingNames,
  version: number,
): Promise<void> {
  await query(`DELETE FROM ${tableName(schema, names.historyTable)} WHERE version > $1::bigint`, [version]);
}

/** A name in characters that any database of the encoding can hold. */
export function writable(name: string, encoding: string): string {
  return encoding === "UTF8" || encoding === "SQL_ASCII" ? name : name.replaceAll(/[^ -~]/gu, "?");
}
