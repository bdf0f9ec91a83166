/**
 * What would be done to a SQL store, up and down.
 *
 * @module
 */

import type { SqlPrepared } from "./sql_prepared.ts";

/** The strongest lock a step takes on a table, and whether it is rewritten. */
export interface SqlTablePlan {
  /** As the table is called when the step begins: an earlier step may rename it. */
  readonly name: string;
  /** Rows that the step will find, counted with those before it taken into account; null while somebody holds the table. */
  readonly rows: number | null;
  /** Size on disk, partitions, indexes and TOAST included; 0 for a table that does not exist yet; null as with the rows. */
  readonly bytes: number | null;
  /** For example `ACCESS EXCLUSIVE`. */
  readonly lock: string;
  /** True when every row is written anew, which takes as much space again and as long as it takes. */
  readonly rewrite: boolean;
}

/** Something that a step does to data, counted at planning time. */
export interface SqlConsequence {
  /** What becomes of the data; rows in quarantine are kept until cleanup. */
  readonly kind:
    | "rows_quarantined"
    | "rows_deleted"
    | "column_dropped"
    | "table_dropped"
    | "table_rewritten"
    | "index_built";
  /** As the table is called when the step begins. */
  readonly table: string;
  /** The column, the index, or a few words, for people. */
  readonly detail: string;
  /** Counted when planned; 0 where none are lost or moved; null while somebody holds the table. */
  readonly rows: number | null;
}

/** One step as it would run. */
export interface SqlStepPlan {
  /** ID of the step, for example `sql/000005`. */
  readonly id: string;
  /** Name of the step, for example `denormalize_attempts`. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** The statements in full, in the order in which they run. */
  readonly statements: readonly string[];
  /** The tables it works on. */
  readonly tables: readonly SqlTablePlan[];
  /** What it does to their data; empty when it only adds. */
  readonly consequences: readonly SqlConsequence[];
}

/** Which steps run as one, so that each row is written once. */
export interface SqlGrouping {
  /** Their versions, in order; empty where each step runs by itself. */
  readonly together: readonly number[];
  /** Why tables are not made anew beside the old ones, one sentence each. */
  readonly apart: readonly string[];
  /**
   * Bytes of the tables that are made anew, as they are, and about how many it takes beside them until the end, on disk and as much
   * again of WAL. Absent where nothing runs as one, or while somebody holds a table.
   */
  readonly needs?: { readonly bytes: number; readonly disk: number };
  /** True where the long work is done already, beside the application. */
  readonly prepared?: boolean;
}

/** What would be done to one SQL store. */
export interface SqlPlan {
  /** The version reached, 0 for none. */
  readonly current: number;
  /** The highest version that this program knows. */
  readonly latest: number;
  /** The steps, in the order in which they run; empty when nothing is pending. */
  readonly steps: readonly SqlStepPlan[];
  /** Which of them run as one; absent where each runs by itself. */
  readonly grouping?: SqlGrouping;
  /** How far what is prepared is, whether it can be used or not; absent where nothing is. */
  readonly preparation?: SqlPrepared;
  /** Who held a table, and since when, so that something could not be counted; absent where all was. */
  readonly held?: string;
}

/** How far to take steps back: so many, or down to a version. More than there are means all. */
export type DownTarget = number | { readonly to: number };

/** What taking steps back would cost. */
export interface SqlDownPlan {
  /** The version reached now. */
  readonly from: number;
  /** The version afterwards. */
  readonly to: number;
  /** The steps to take back, the newest first. */
  readonly steps: readonly SqlStepPlan[];
  /** What goes or cannot come back, one sentence each. */
  readonly warnings: readonly string[];
}
