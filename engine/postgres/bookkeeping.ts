/**
 * The version table shared with golang-migrate (one row `version, dirty`; none at version 0) and, beside it, a history of
 * this tool's own with name, checksum, who, when and how long.
 *
 * @module
 */

import type { SqlStep } from "../sql/step.ts";
import { stepChecksum } from "../sql/step.ts";
import { type Query, quoteIdentifier } from "./query.ts";
import { assertReadable, type OwnTable } from "./trusted_tables.ts";

/** Names of the two tables. */
export interface BookkeepingNames {
  /** golang-migrate's, or ley's. */
  readonly bookkeepingTable: string;
  /** Names of all files of a project of ley, in order: then the table is ley's own, with a row for each that is applied. */
  readonly leyFiles?: readonly string[];
  /** This tool's own: what was applied when, and its checksum. */
  readonly historyTable: string;
}

/** All tables that are written to beside the application's: the books, and what steps leave behind. */
export function ownTables(names: BookkeepingNames, steps: readonly SqlStep[]): readonly OwnTable[] {
  const remains = steps.flatMap(({ remains }) => {
    if (remains === undefined) return [];
    const { table, parts = [] } = remains;
    const own = parts.map((name) => ({ name, columns: null }));
    return [{ name: table, columns: null, mayBeView: parts.length > 0 }, ...own];
  });
  return [...booksOf(names), ...new Map(remains.map((table) => [table.name, table])).values()];
}

function booksOf({ bookkeepingTable, leyFiles, historyTable }: BookkeepingNames): readonly OwnTable[] {
  return [
    {
      name: bookkeepingTable,
      columns: leyFiles === undefined ? ["version bigint", "dirty boolean"] : null,
    },
    {
      name: historyTable,
      columns: [
        ...["version bigint", "id bigint", "name text", "checksum text", "status text", "applied_by text"],
        ...["applied_at timestamp with time zone", "duration_ms bigint", "tool_version text"],
      ],
    },
  ];
}

/** One step in the history. */
export interface HistoryRow {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  /** `applied`; `applying` or `reverting` while a step without a transaction is under way. */
  readonly status: string;
  /** Null for a step that was applied by another tool and adopted. */
  readonly appliedAt: Date | null;
}

/** What the two tables say. */
export interface Bookkeeping {
  readonly version: number;
  readonly dirty: boolean;
  /** Rows in the version table: 0 or 1 when all is well. */
  readonly rows: number;
  /** Names in ley's table, in its order; empty for golang-migrate's. */
  readonly files: readonly string[];
  /** In the order of recording. */
  readonly history: readonly HistoryRow[];
}

/** Who records. */
export interface Recorder {
  /** Name of the tool, without spaces: what its connections are called. */
  readonly name: string;
  /** Version of the tool. */
  readonly version: string;
  /** For example `user@host`. */
  readonly who: string;
}

/**
 * Reads both tables; one that is missing means that nothing is recorded. Nothing is written.
 *
 * @param schema The current schema, or null where there is none.
 * @throws {RefusedError} When one of them is no ordinary table.
 */
export async function readBookkeeping(
  query: Query,
  schema: string | null,
  names: BookkeepingNames,
): Promise<Bookkeeping> {
  if (schema === null) return { version: 0, dirty: false, rows: 0, files: [], history: [] };
  await assertReadable(query, schema, booksOf(names));
  const there = await exists(query, schema, names.bookkeepingTable);
  const files = there && names.leyFiles !== undefined
    ? (await query<{ name: string }>(
      `SELECT name FROM ${table(schema, names.bookkeepingTable)} ORDER BY id`,
    )).map(({ name }) => name)
    : [];
  const rows = there && names.leyFiles === undefined
    ? await query<{ version: string; dirty: boolean }>(
      `SELECT version::text AS version, dirty FROM ${
        table(schema, names.bookkeepingTable)
      } ORDER BY version DESC LIMIT 2`,
    )
    : [];
  const history = await exists(query, schema, names.historyTable)
    ? await query<{ version: string; name: string; checksum: string; status: string; millis: string | null }>(
      `SELECT version::text AS version, name, checksum, status,
              floor(extract(epoch FROM applied_at) * 1000)::bigint::text AS millis
         FROM ${table(schema, names.historyTable)} ORDER BY id`,
    )
    : [];
  return {
    // golang-migrate writes -1 where it failed in the middle of taking the first step back.
    version: names.leyFiles === undefined ? Math.max(0, Number(rows[0]?.version ?? 0)) : files.length,
    dirty: rows[0]?.dirty ?? false,
    rows: rows.length,
    files,
    history: history.map(({ version, millis, ...rest }) => ({
      ...rest,
      version: Number(version),
      appliedAt: millis === null ? null : new Date(Number(millis)),
    })),
  };
}

/**
 * Names what is wrong with the tables themselves: more than one version, and steps that are missing below a later one, since
 * whatever writes the history adopts all that is below.
 *
 * @returns One sentence each, without a final period; empty when all is well.
 */
export function findFaults(
  { version, rows, files, history }: Bookkeeping,
  steps: readonly SqlStep[],
  names: BookkeepingNames,
): string[] {
  const faults: string[] = [];
  if (rows > 1) faults.push(`"${names.bookkeepingTable}" holds more than one row: exactly one is expected`);
  for (const [index, file] of (names.leyFiles ?? []).entries()) {
    const found = files[index];
    if (found !== undefined && found !== file) {
      faults.push(`"${names.bookkeepingTable}" has "${found}" where the folder has "${file}"`);
    }
  }
  const recorded = new Set(history.map((row) => row.version).filter((known) => known <= version));
  const highest = Math.max(0, ...recorded);
  for (const step of steps) {
    if (step.version < highest && !recorded.has(step.version)) {
      faults.push(
        `Version ${step.version} (${step.name}) is missing from "${names.historyTable}", where version ${highest} stands`,
      );
    }
  }
  return faults;
}

/** Creates the tables that are missing. The version table is made as golang-migrate makes it. */
export async function ensureBookkeeping(
  query: Query,
  schema: string,
  names: BookkeepingNames,
): Promise<void> {
  if (!await exists(query, schema, names.bookkeepingTable)) {
    await query(
      `CREATE TABLE IF NOT EXISTS ${table(schema, names.bookkeepingTable)} ${
        names.leyFiles === undefined
          ? "(version bigint not null primary key, dirty boolean not null)"
          : "(id serial primary key, name varchar(255) NOT NULL, created_at timestamp NOT NULL)"
      }`,
    );
  }
  if (await exists(query, schema, names.historyTable)) return;
  await query(
    `CREATE TABLE IF NOT EXISTS ${table(schema, names.historyTable)} (
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
  await query(`DELETE FROM ${table(schema, names.bookkeepingTable)}`);
  if (version > 0) {
    await query(
      `INSERT INTO ${table(schema, names.bookkeepingTable)} (version, dirty) VALUES ($1::bigint, false)`,
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
  const applied = table(schema, name);
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

/** Records a step, in place of what was recorded of it. */
export async function writeHistory(
  query: Query,
  schema: string,
  names: BookkeepingNames,
  { step, status, by, timed, durationMs, toolVersion }: HistoryEntry,
): Promise<void> {
  await query(`DELETE FROM ${table(schema, names.historyTable)} WHERE version = $1::bigint`, [step.version]);
  await query(
    `INSERT INTO ${table(schema, names.historyTable)}
       (version, name, checksum, status, applied_by, applied_at, duration_ms, tool_version)
     VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::text, CASE WHEN $6::boolean THEN clock_timestamp() END,
             $7::bigint, $8::text)`,
    [step.version, step.name, stepChecksum(step), status, by, timed, durationMs, toolVersion],
  );
}

/** Forgets what the history holds above a version. */
export async function trimHistory(
  query: Query,
  schema: string,
  names: BookkeepingNames,
  version: number,
): Promise<void> {
  await query(`DELETE FROM ${table(schema, names.historyTable)} WHERE version > $1::bigint`, [version]);
}

async function exists(query: Query, schema: string, name: string): Promise<boolean> {
  const [found] = await query<{ there: boolean }>("SELECT to_regclass($1::text) IS NOT NULL AS there", [
    table(schema, name),
  ]);
  return found!.there;
}

function table(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
