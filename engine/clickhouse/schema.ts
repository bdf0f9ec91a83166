/**
 * The live schema against the expected one.
 *
 * @module
 */

import { select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** What a table should be. Texts are as the server's system tables show them. */
export interface ClickHouseTable {
  /** Name of the table. */
  readonly name: string;
  /** For example `ReplacingMergeTree`. */
  readonly engine: string;
  /** Expression that rows are partitioned by; empty for none. */
  readonly partitionKey: string;
  /** Expressions that rows are sorted by. */
  readonly sortingKey: string;
  /** In order. `default` is empty for none. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly default: string }[];
  /** Skip indexes. */
  readonly indexes: readonly {
    readonly name: string;
    readonly type: string;
    readonly expression: string;
    readonly granularity: number;
  }[];
}

/** Reads the tables of the given names, those that exist, in this order. Reads only. */
export async function readTables(
  client: ClickHouseClient,
  names: readonly string[],
): Promise<ClickHouseTable[]> {
  const where = "database = currentDatabase() AND table IN {names:Array(String)}";
  const [tables, columns, indexes] = await Promise.all([
    select<{ name: string; engine: string; partition_key: string; sorting_key: string }>(
      client,
      `SELECT name, engine, partition_key, sorting_key FROM system.tables
       WHERE database = currentDatabase() AND name IN {names:Array(String)}`,
      { names },
    ),
    select<{ table: string; name: string; type: string; expression: string }>(
      client,
      `SELECT table, name, type, default_expression AS expression FROM system.columns
       WHERE ${where} ORDER BY table, position`,
      { names },
    ),
    select<{ table: string; name: string; type_full: string; expr: string; granularity: number | string }>(
      client,
      `SELECT table, name, type_full, expr, granularity FROM system.data_skipping_indices WHERE ${where} ORDER BY table, name`,
      { names },
    ),
  ]);
  return names.flatMap((name) => {
    const table = tables.find((found) => found.name === name);
    if (table === undefined) return [];
    return [{
      name,
      engine: table.engine,
      partitionKey: table.partition_key,
      sortingKey: table.sorting_key,
      columns: columns.filter((column) => column.table === name)
        .map(({ name, type, expression }) => ({ name, type, default: expression })),
      indexes: indexes.filter((index) => index.table === name)
        .map(({ name, type_full, expr, granularity }) => ({
          name,
          type: type_full,
          expression: expr,
          granularity: Number(granularity),
        })),
    }];
  });
}

/**
 * Names every difference, one sentence each; empty when there is none. What the operator added is left in peace.
 *
 * @param expected Tables under their names in the database.
 */
export function compareTables(
  expected: readonly ClickHouseTable[],
  live: readonly ClickHouseTable[],
): string[] {
  return expected.flatMap((table) => {
    const found = live.find(({ name }) => name === table.name);
    return found === undefined ? [`The table ${table.name} is missing`] : compareTable(table, found);
  });
}

function compareTable(expected: ClickHouseTable, live: ClickHouseTable): string[] {
  const issues: string[] = [];
  const differ = (what: string, should: string, is: string) => {
    if (should !== is) {
      issues.push(`${what} of ${expected.name} is ${is || "empty"} and should be ${should || "empty"}`);
    }
  };
  // A replicated or shared variant of the engine is the operator's choice.
  if (!live.engine.endsWith(expected.engine)) differ("The engine", expected.engine, live.engine);
  differ("The partition key", expected.partitionKey, live.partitionKey);
  differ("The sorting key", expected.sortingKey, live.sortingKey);
  for (const column of expected.columns) {
    const found = live.columns.find(({ name }) => name === column.name);
    if (found === undefined) issues.push(`The column ${expected.name}.${column.name} is missing`);
    else {
      differ(`The type of the column ${column.name}`, column.type, found.type);
      differ(`The default of the column ${column.name}`, column.default, found.default);
    }
  }
  for (const index of expected.indexes) {
    const found = live.indexes.find(({ name }) => name === index.name);
    if (found === undefined) issues.push(`The index ${index.name} of ${expected.name} is missing`);
    else {
      differ(`The type of the index ${index.name}`, index.type, found.type);
      differ(`The expression of the index ${index.name}`, index.expression, found.expression);
      differ(
        `The granularity of the index ${index.name}`,
        String(index.granularity),
        String(found.granularity),
      );
    }
  }
  return issues;
}
