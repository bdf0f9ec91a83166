/**
 * What takes long of a SQL step and can be done before its transaction, beside an application that goes on.
 *
 * @module
 */

import type { SqlStatement } from "./statement.ts";

/**
 * An index over a column that the step adds. The column is made under a name that no other tool knows, the index is built over it on
 * each partition, and the step's transaction gives both the names that they have in the end. Cut off before that, a run leaves a
 * column and indexes that are in nobody's way: the next one goes on with them, or takes them away.
 */
export interface IndexBeforehand {
  /** Name of the table when the step begins. */
  readonly table: string;
  /** What the column is called until then; indexes have names that begin with it. No other column of the schema may be called so. */
  readonly column: string;
  /** Make the column, in a transaction of their own that takes no time. */
  readonly make: readonly SqlStatement[];
  /** What stands behind the table's name in the statement that builds the index. */
  readonly over: string;
  /** What the step does then, in place of its `up`. */
  readonly up: readonly SqlStatement[];
}

/** All that is done with a step that begins beforehand, for a plan: its partitions are listed when it runs. */
export function statementsWith({ table, make, over, up }: IndexBeforehand): readonly SqlStatement[] {
  return [...make, { text: `CREATE INDEX CONCURRENTLY ON <each partition of ${table}>\n  ${over}` }, ...up];
}
