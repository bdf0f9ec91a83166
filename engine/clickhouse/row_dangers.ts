/**
 * What a ClickHouse table has beside what is expected, and that loses rows or refuses them.
 *
 * @module
 */

import type { Findings } from "../sql/step_store.ts";
import { select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** Looks at tables by their names in the database. Reads only. */
export async function findRowDangers(client: ClickHouseClient, names: readonly string[]): Promise<Findings> {
  const tables = await select<{ name: string; engine: string; text: string }>(
    client,
    `SELECT name, engine_full AS engine, create_table_query AS text FROM system.tables
      WHERE database = currentDatabase() AND name IN {names:Array(String)} ORDER BY name`,
    { names },
  );
  const columns = await select<{ table: string; name: string; kind: string }>(
    client,
    `SELECT table, name, default_kind AS kind FROM system.columns
      WHERE database = currentDatabase() AND table IN {names:Array(String)}
        AND default_kind IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY table, position`,
    { names },
  );
  return {
    faults: [
      ...tables.flatMap(({ name, engine, text }) => dangersOf(name, engine, text)),
      ...columns.filter(({ kind }) => kind !== "EPHEMERAL").map(({ table, name, kind }) =>
        `The column ${table}.${name} is ${kind}: an insert that names it is refused`
      ),
    ],
    warnings: columns.filter(({ kind }) => kind === "EPHEMERAL").map(({ table, name }) =>
      `The column ${table}.${name} is EPHEMERAL: it is not stored`
    ),
  };
}

/** @param engine For example `ReplacingMergeTree(version) PARTITION BY ... TTL ...`. @param text The `CREATE TABLE`. */
function dangersOf(name: string, engine: string, text: string): readonly string[] {
  const dangers: string[] = [];
  // Texts are taken out first: a default may well spell one of these words.
  const bare = (sql: string) =>
    sql.replaceAll(/'(?:[^'\\]|\\.)*'/g, "''").replaceAll(/`(?:[^`\\]|\\.)*`/g, "``");
  if (/\bTTL\b/.test(bare(text))) {
    dangers.push(`The table ${name} has a TTL: the server deletes rows by itself`);
  }
  if (/\bCONSTRAINT\b[^,]*\bCHECK\b/.test(bare(text))) {
    dangers.push(`The table ${name} has a constraint that may refuse rows`);
  }
  const [, kind, inner] = /^(\w*)MergeTree\(([^)]*)\)/.exec(bare(engine)) ?? [];
  if (kind === undefined) return dangers;
  const given = inner!.split(",").map((one) => one.trim()).filter((one) => one !== "");
  // The first two of a replicated engine are its place in the keeper.
  const own = /^(Replicated|Shared)/.test(kind) ? given.slice(2) : given;
  if (own.length > 0) {
    dangers.push(
      `The engine of ${name} has the argument ${own.join(", ")}, which decides what rows are kept`,
    );
  }
  return dangers;
}
