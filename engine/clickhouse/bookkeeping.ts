/**
 * The version table that golang-migrate keeps in ClickHouse, and a history of our own beside it.
 *
 * ClickHouse has no transactions: a step is recorded as dirty before it runs and as clean after it. The history tells whether
 * a dirty version is ours (then the step, whose statements all stand being repeated, is run again) or another tool's (then a
 * person has to look).
 *
 * @module
 */

import type { ClickHouseClient } from "./client.ts";

/** Names of both tables, prefix included. */
export interface ClickHouseTables {
  /** golang-migrate's: `version Int64, dirty UInt8, sequence UInt64`; the row with the highest sequence counts. */
  readonly bookkeeping: string;
  /** Ours. */
  readonly history: string;
}

/** The newest row. Version 0 is none (-1 in the table). */
export interface RecordedVersion {
  readonly version: number;
  /** The same as the table has it, where it was read there. */
  readonly text?: string;
  readonly dirty: boolean;
  /** golang-migrate's are nanoseconds; a decimal string, since it exceeds what a number holds. Empty for no row. */
  readonly sequence: string;
}

/** A line of the history. */
export interface HistoryRow {
  readonly version: number;
  /** Of the step; empty for a version that was forced. */
  readonly name: string;
  readonly checksum: string;
  readonly state: "started" | "applied" | "taking_back" | "taken_back" | "forced";
  /** Sequence of the bookkeeping row that was written with it. */
  readonly sequence: string;
  readonly at: Date;
}

/** Who writes. */
export interface Recorder {
  readonly who: string;
  readonly toolVersion: string;
}

/** Quotes a name: prefixes may hold `-` or begin with a digit. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}

/** Rows of a query, without writing. */
export async function select<Row>(
  client: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown> = {},
): Promise<Row[]> {
  const result = await client.query({ query, format: "JSONEachRow", query_params: parameters });
  return await result.json() as Row[];
}

/** True when the table is there. The catalogue would leave out one that the user may not see; this question the server refuses then. */
export async function tableExists(client: ClickHouseClient, name: string): Promise<boolean> {
  const [row] = await select<{ result: number }>(client, `EXISTS TABLE ${quoteName(name)}`);
  return Number(row?.result ?? 0) > 0;
}

/** Reads the newest row. A missing table means that nothing is applied. */
export async function readVersion(
  client: ClickHouseClient,
  { bookkeeping }: ClickHouseTables,
): Promise<RecordedVersion> {
  if (!await tableExists(client, bookkeeping)) return { version: 0, dirty: false, sequence: "" };
  const [row] = await select<{ version: string; dirty: number; sequence: string }>(
    client,
    `SELECT toString(version) AS version, dirty, toString(sequence) AS sequence FROM ${quoteName(bookkeeping)}
     ORDER BY ${quoteName(bookkeeping)}.sequence DESC LIMIT 1`,
  );
  if (row === undefined) return { version: 0, dirty: false, sequence: "" };
  return {
    version: Math.max(0, Number(row.version)),
    text: row.version,
    dirty: Number(row.dirty) !== 0,
    sequence: row.sequence,
  };
}

/** Reads our history, the oldest first. A missing table means an empty one. */
export async function readHistory(
  client: ClickHouseClient,
  { history }: ClickHouseTables,
): Promise<HistoryRow[]> {
  if (!await tableExists(client, history)) return [];
  const rows = await select<
    {
      version: string;
      name: string;
      checksum: string;
      state: HistoryRow["state"];
      sequence: string;
      at: string;
    }
  >(
    client,
    `SELECT toString(version) AS version, name, checksum, state, toString(sequence) AS sequence,
       toString(toUnixTimestamp64Milli(at)) AS at FROM ${quoteName(history)}
     ORDER BY ${quoteName(history)}.sequence`,
  );
  return rows.map(({ version, at, ...row }) => ({
    ...row,
    version: Number(version),
    at: new Date(Number(at)),
  }));
}

/** Creates both tables where they are missing: as golang-migrate creates its own. @param write Writes a statement for where it runs. */
export async function createTables(
  client: ClickHouseClient,
  { bookkeeping, history }: ClickHouseTables,
  write: (statement: string) => string,
): Promise<void> {
  const columns = {
    [bookkeeping]: "version Int64, dirty UInt8, sequence UInt64",
    [history]:
      "version Int64, name String, checksum String, state String, sequence UInt64, at DateTime64(3, 'UTC'), " +
      "duration_ms UInt64, who String, tool_version String",
  };
  for (const [name, described] of Object.entries(columns)) {
    if (await tableExists(client, name)) continue;
    await client.command({
      query: write(
        `CREATE TABLE IF NOT EXISTS ${quoteName(name)} (${described}) ENGINE = MergeTree ORDER BY sequence`,
      ),
    });
  }
}

/**
 * The sequence of the next row: one above all there are, and not the time as golang-migrate takes it. That is less than any time at which
 * golang-migrate writes a later row: a host whose clock is ahead would keep its rows from counting for so long.
 *
 * @param own The newest that this run has written, which a replica may not have yet.
 */
export async function nextSequence(
  client: ClickHouseClient,
  tables: ClickHouseTables,
  own: string,
): Promise<string> {
  const [{ sequence }, history] = await Promise.all([
    readVersion(client, tables),
    readHistory(client, tables), // Also of what was cut off before it came to the version table.
  ]);
  const known = [sequence, history.at(-1)?.sequence, own].map((text) => BigInt(text || 0));
  return String(known.reduce((newest, one) => one > newest ? one : newest) + 1n);
}

/** A row that counts is there when the server says so, and in no buffer of its own, whatever is set for the user. */
const AT_ONCE = { async_insert: "0" };

/** Appends a row to the version table. Version 0 is written as -1, as golang-migrate does. */
export async function appendVersion(
  client: ClickHouseClient,
  { bookkeeping }: ClickHouseTables,
  { version, dirty, sequence }: RecordedVersion,
): Promise<void> {
  await client.insert({
    table: quoteName(bookkeeping),
    format: "JSONEachRow",
    clickhouse_settings: AT_ONCE,
    values: [{ version: version === 0 ? -1 : version, dirty: dirty ? 1 : 0, sequence }],
  });
}

/** Appends a line to our history. */
export async function appendHistory(
  client: ClickHouseClient,
  { history }: ClickHouseTables,
  recorder: Recorder,
  row: Omit<HistoryRow, "at"> & { readonly durationMs: number },
): Promise<void> {
  await client.insert({
    table: quoteName(history),
    format: "JSONEachRow",
    clickhouse_settings: AT_ONCE,
    values: [{
      version: row.version,
      name: row.name,
      checksum: row.checksum,
      state: row.state,
      sequence: row.sequence,
      at: new Date().toISOString().replace("T", " ").replace("Z", ""),
      duration_ms: Math.round(row.durationMs),
      who: recorder.who,
      tool_version: recorder.toolVersion,
    }],
  });
}
