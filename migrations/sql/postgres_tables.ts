/**
 * Which of Outpost's tables stand in Postgres at which version, and how many rows a later step will find in them. What
 * planning needs to look at today's database with tomorrow's step in mind.
 *
 * @module
 */

import type { ConsequenceQuery, ObjectChange, TableUse } from "../../engine/sql/step.ts";

/** The three tables; `attempts` is called `deliveries` before version 5. */
export type OutpostTable = "events" | "attempts" | "event_delivery_index";

/** Deliveries whose event is there: what step 5 keeps. */
const KEPT = "SELECT count(*) FROM deliveries d WHERE EXISTS (SELECT FROM events e WHERE e.id = d.event_id)";

/** Deliveries whose event is missing: what step 5 moves to the quarantine. */
export const ORPHANS =
  "SELECT count(*) FROM deliveries d WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)";

/** A table's name at a version, or null while it is not there. */
export function storedAs(table: OutpostTable, version: number): string | null {
  if (version < 1) return null;
  if (table === "attempts") return version < 5 ? "deliveries" : "attempts";
  if (table === "event_delivery_index") return version === 3 || version === 4 ? table : null;
  return table;
}

/**
 * Query for the rows that the step after version `at` will find in a table.
 *
 * @param from Version of the database now, `at` or below.
 * @returns Null when there are none for certain.
 */
export function rowsOf(table: OutpostTable, from: number, at: number): string | null {
  const name = storedAs(table, from);
  if (name === null) return null;
  return table === "attempts" && from < 5 && at >= 5 ? KEPT : `SELECT count(*) FROM ${name}`;
}

/** How the step that ends at version `step` uses a table. */
export function use(
  table: OutpostTable,
  from: number,
  step: number,
  how: { readonly lock: string; readonly rewrite: boolean },
): TableUse {
  const at = Math.max(from, step - 1);
  return {
    name: storedAs(table, step - 1) ?? table,
    storedAs: storedAs(table, from),
    rows: rowsOf(table, from, at),
    ...how,
  };
}

/** How taking back the step that ended at version `step` uses a table. */
export function useDown(
  table: OutpostTable,
  from: number,
  step: number,
  how: { readonly lock: string; readonly rewrite: boolean },
): TableUse {
  return {
    name: storedAs(table, step) ?? table,
    storedAs: storedAs(table, from),
    rows: rowsOf(table, from, from),
    ...how,
  };
}

/** A consequence for all rows that the step will find in a table. */
export function all(
  kind: ConsequenceQuery["kind"],
  table: OutpostTable,
  detail: string,
  from: number,
  step: number,
): ConsequenceQuery {
  const at = Math.max(from, step - 1);
  return { kind, table: storedAs(table, at) ?? table, detail, rows: rowsOf(table, from, at) };
}

/** What becomes of a column of a table, or of the table itself for null, whatever the table is called at version `from`. */
export function changed(
  table: OutpostTable,
  from: number,
  column: string | null,
  change: ObjectChange["change"],
): readonly ObjectChange[] {
  const name = storedAs(table, from);
  return name === null ? [] : [{ table: name, column, change }];
}

/** Counts rows of a table that meet a condition, or null while the table is not there. */
export function rowsWhere(table: OutpostTable, from: number, condition: string): string | null {
  const name = storedAs(table, from);
  return name === null ? null : `SELECT count(*) FROM ${name} WHERE ${condition}`;
}

/** Name and time of an epoch, padded: the text by which lists were paged before version 5. */
export function timeIdExpression(time: string, id: string): string {
  return `lpad((extract(epoch FROM ${time} AT TIME ZONE 'UTC')::bigint)::text, 10, '0') || '_' || ${id}`;
}
