/**
 * What a SQL step does to rows, as data: so that several steps can be done as one, and beside an application that goes on.
 *
 * @module
 */

import type { SqlStatement } from "./statement.ts";

/** What each row of a table is after a step. Columns that are not named stay as they are. */
export interface TableRewrite {
  /** Name of the table after the step. */
  readonly table: string;
  /** Its name before; left out where it keeps it. */
  readonly was?: string;
  /** True where the step writes every row anew; false where it only changes the catalog. */
  readonly everyRow: boolean;
  /** Columns that are new or other than before: an expression over the columns before, by the name afterwards. */
  readonly computed?: Readonly<Record<string, string>>;
  /** Columns that get another name: the old one, by the new one. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Columns that go. */
  readonly dropped?: readonly string[];
  /** Where one table alone does not give the rows: queries that together do, and the columns that each of them has. */
  readonly joined?: {
    readonly columns: readonly string[];
    readonly queries: readonly string[];
    /** The table whose columns each row takes along: what is made is the larger for it. */
    readonly takes?: string;
  };
}

/** What a step does to rows, beside what its statements say. */
export interface StepRewrite {
  /** Every table whose rows or columns it changes. */
  readonly tables: readonly TableRewrite[];
  /** Statements that keep elsewhere what has no place afterwards; they run before, on the tables as they are. */
  readonly keeps?: readonly SqlStatement[];
  /** Tables that its own statements take away with their rows, which stay as they are until then. */
  readonly drops?: readonly string[];
}

/** Rows that depend on rows of another table. */
export interface Follows {
  /** The other table. */
  readonly table: string;
  /** A column of its key. */
  readonly column: string;
  /** The column of this table that has the same value. */
  readonly by: string;
}

/**
 * Queries for single rows, where {@linkcode StepRewrite} has such for whole tables: so that new tables can be made beside an
 * application that goes on. What stands in double braces is the name of a table: of the new one that is made for the table named,
 * with its indexes, which holds at least the keys of all rows that were not changed lately.
 */
export interface RowRewrite {
  /** For each table that is joined, by its name before: a query that gives each of its rows by itself. */
  readonly joined: Readonly<Record<string, { readonly query: string; readonly follows: Follows }>>;
  /** What is kept elsewhere. */
  readonly kept: readonly RowsKept[];
}

/** Rows that have no place afterwards, and where they go. */
export interface RowsKept {
  /** The table that they are in. */
  readonly table: string;
  /** Gives the key of the table, and the columns to be written. */
  readonly query: string;
  /** Left out where they depend on no other table. */
  readonly follows?: Follows;
  /** Where they are kept. */
  readonly into: {
    readonly table: string;
    /** Makes it where it is not there. */
    readonly make: SqlStatement;
    /** Its key, a number with a sequence. */
    readonly id: string;
    readonly columns: readonly string[];
  };
}
