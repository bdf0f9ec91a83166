/**
 * Finds what reads a column that a step takes away, or passes rows on to it. The server refuses to drop a column that is read, and does
 * not refuse to rename it, which steps do before: a materialized view would then refuse every insert into the table. What passes rows on
 * leaves out the columns that it does not find there, without a word, or never gets rid of them.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import type { PendingChanges } from "../sql/step_store.ts";
import { select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";
import { findDetached } from "./detached.ts";
import type { ClickHouseTable } from "./schema.ts";

/**
 * Names what hangs on columns that go, and rows of theirs that no step would see. Reads only.
 *
 * @param released Tables of all versions: what they have, steps deal with.
 */
export async function findDependants(
  client: ClickHouseClient,
  changes: PendingChanges["changes"],
  prefix: string,
  released: readonly ClickHouseTable[],
): Promise<readonly Blocker[]> {
  const found: Blocker[] = [];
  for (const one of changes.filter(({ change }) => change === "dropped")) {
    const { step, table, column } = one;
    if (column === null) continue;
    const own = released.filter(({ name }) => name === table);
    const name = prefix + table;
    const rows = await select<Dependant>(client, DEPENDANTS, {
      name,
      column,
      word: `(^|[^A-Za-z0-9_])${literal(column)}([^A-Za-z0-9_]|$)`,
      columns: own.flatMap(({ columns }) => columns.map((one) => one.name)),
      indexes: own.flatMap(({ indexes }) => indexes.map((one) => one.name)),
    });
    for (const { kind, object, does } of rows) {
      found.push({
        ...{ store: "clickhouse", kind: kind.replaceAll(" ", "_"), object },
        detail: `The ${kind} ${object} ${does} ${name}.${column}, which ${step} drops`,
        hint: kind === DISTRIBUTED
          ? `Have it send what it holds (SYSTEM FLUSH DISTRIBUTED), take it away, and make it anew for the new columns afterwards`
          : `Take the ${kind} away before, and make it anew for the new columns afterwards`,
      });
    }
    found.push(...await findDetached(client, one, prefix));
  }
  return found;
}

interface Dependant {
  readonly kind: string;
  readonly object: string;
  readonly does: "reads" | "passes on to";
}

/** Dropped, it forgets what it has not sent yet. A buffer is emptied first. */
const DISTRIBUTED = "distributed table";

/** A name in a pattern. Without backslashes, which not every server reads alike in a parameter. */
function literal(name: string): string {
  return name.replace(/[$.*+?()[{|]/g, "[$&]").replace(/[\\^]/g, ".");
}

/** An expression without its texts, which may well spell the name of a column. */
const BARE = (expression: string) =>
  String.raw`match(replaceRegexpAll(${expression}, '\'([^\'\\\\]|\\\\.)*\'', ''), {word:String})`;

/** What stands where the engine of a table names another one, without its quotes. */
const ARGUMENT = (place: string) =>
  String.raw`trim(BOTH '\'' FROM splitByString(', ', extract(engine_full, '^\\w+[(](.*)[)]'))[${place}])`;

/** The ways in which the server may write a name. */
const WRITTEN = (name: string) => `[${name}, concat(char(96), ${name}, char(96))]`;

const PLACES = `arrayFlatten(arrayMap(
       database -> arrayMap(table -> concat(' TO ', database, '.', table, ' ('), ${
  WRITTEN("{name:String}")
}), ${WRITTEN("currentDatabase()")}))`;

const DEPENDANTS = `SELECT kind, object, does FROM (
SELECT kind, object, 'reads' AS does FROM (
  SELECT 'materialized view' AS kind, concat(database, '.', name) AS object FROM system.tables
   WHERE engine = 'MaterializedView' AND ${BARE("as_select")} AND (database, name) IN (
     SELECT arrayJoin(arrayZip(dependencies_database, dependencies_table)) FROM system.tables
      WHERE database = currentDatabase() AND name = {name:String})
  UNION ALL
  SELECT 'index' AS kind, name AS object FROM system.data_skipping_indices
   WHERE database = currentDatabase() AND table = {name:String} AND ${
  BARE("expr")
} AND name NOT IN {indexes:Array(String)}
  UNION ALL
  SELECT 'column' AS kind, name AS object FROM system.columns
   WHERE database = currentDatabase() AND table = {name:String} AND ${
  BARE("default_expression")
} AND name NOT IN {columns:Array(String)}
  UNION ALL
  SELECT 'constraint' AS kind, one[1] AS object FROM system.tables
   ARRAY JOIN extractAllGroupsVertical(replaceRegexpAll(create_table_query, '\\n', ' '),
                                       'CONSTRAINT (\\\\S+) (?:CHECK|ASSUME) (.*?)(?:, (?:CONSTRAINT|INDEX|PROJECTION) |\\\\) ENGINE )') AS one
   WHERE database = currentDatabase() AND name = {name:String} AND ${BARE("one[2]")}
)
UNION ALL
SELECT kind, concat(database, '.', name) AS object, 'passes on to' AS does FROM (
  SELECT database, name, 'buffer' AS kind FROM system.tables
   WHERE engine = 'Buffer' AND ${ARGUMENT("1")} IN ('', currentDatabase()) AND ${
  ARGUMENT("2")
} = {name:String}
  UNION ALL
  SELECT database, name, '${DISTRIBUTED}' AS kind FROM system.tables
   WHERE engine = 'Distributed' AND ${ARGUMENT("2")} IN ('', currentDatabase()) AND ${
  ARGUMENT("3")
} = {name:String}
  UNION ALL
  SELECT database, name, 'materialized view' AS kind FROM system.tables
   WHERE engine = 'MaterializedView' AND arrayExists(place -> position(create_table_query, place) > 0, ${PLACES})
) WHERE (database, name) IN (SELECT database, table FROM system.columns WHERE name = {column:String})
) ORDER BY kind, object`;
