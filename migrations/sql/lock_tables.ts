/**
 * Locks tables of Postgres in a step.
 *
 * @module
 */

import type { SqlStatement, TableLockMode } from "../../engine/sql/statement.ts";

/** The statement that locks tables, all at once: not to do the work on one and then to give up on another. */
export function lockTables(tables: readonly string[], mode: TableLockMode): SqlStatement {
  return { text: `LOCK TABLE ${tables.join(", ")} IN ${mode} MODE`, locks: { tables, mode } };
}
