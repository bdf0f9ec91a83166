/**
 * The version table shared with golang-migrate (one row `version, dirty`; none at version 0) and, beside it, a history of
 * this tool's own with name, checksum, who, when and how long.
 *
 * @module
 */

import { findRounded } from "../sql/standing.ts";
import type { SqlStep } from "../sql/step.ts";
import { type Query, quoteIdentifier, tableExists } from "./query.ts";
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
  /** The same as the table has it. */
  readonly recorded: string;
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
  if (schema === null) return { version: 0, recorded: "0", dirty: false, rows: 0, files: [], history: [] };
  await assertReadable(query, schema, booksOf(names));
  const there = await hasTable(query, schema, names.bookkeepingTable);
  const files = there && names.leyFiles !== undefined
    ? (await query<{ name: string }>(
      `SELECT name FROM ${tableName(schema, names.bookkeepingTable)} ORDER BY id`,
    )).map(({ name }) => name)
    : [];
  const rows = there && names.leyFiles === undefined
    ? await query<{ version: string; dirty: boolean }>(
      // By the column: alone the name would mean the text, to which 9 is more than 10.
      `SELECT b.version::text AS version, b.dirty FROM ${
        tableName(schema, names.bookkeepingTable)
      } b ORDER BY b.version DESC LIMIT 2`,
    )
    : [];
  const history = await hasTable(query, schema, names.historyTable)
    ? await query<{ version: string; name: string; checksum: string; status: string; millis: string | null }>(
      `SELECT version::text AS version, name, checksum, status,
              floor(extract(epoch FROM applied_at) * 1000)::bigint::text AS millis
         FROM ${tableName(schema, names.historyTable)} ORDER BY id`,
    )
    : [];
  return {
    // golang-migrate writes -1 where it failed in the middle of taking the first step back.
    version: names.leyFiles === undefined ? Math.max(0, Number(rows[0]?.version ?? 0)) : files.length,
    recorded: rows[0]?.version ?? "0",
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
  { version, recorded: text, rows, files, history }: Bookkeeping,
  steps: readonly SqlStep[],
  names: BookkeepingNames,
): string[] {
  const faults = [...findRounded(text)];
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

/** True where a table of this name is in the schema. */
export async function hasTable(query: Query, schema: string, name: string): Promise<boolean> {
  return await tableExists(query, tableName(schema, name));
}

/** The name of a table in full, for a statement. */
export function tableName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
