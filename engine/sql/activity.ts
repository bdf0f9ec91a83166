/**
 * What the connection that runs the steps is doing, seen from another one.
 *
 * @module
 */

/** A transaction that a statement waits for. What the server does not tell this role is null. */
export interface SqlWait {
  /** Process of the server, or null for a prepared transaction. */
  readonly pid: number | null;
  /** What the other calls itself. */
  readonly application: string | null;
  /** The role that it is connected as. */
  readonly user: string | null;
  /** When its transaction began. */
  readonly since: Date | null;
  /** All of it in one phrase, for people. */
  readonly description: string;
}

/** How far a statement is, where the server counts. */
export interface SqlWork {
  /** What the server calls this part, for example `building index: scanning table`. */
  readonly phase: string;
  /** How much of it is done. */
  readonly done: number;
  /** Null where nobody knows. */
  readonly total: number | null;
  /** What is counted. */
  readonly unit: "rows" | "blocks";
}

/** What one connection is doing. */
export interface SqlActivity {
  /** Process of the server. */
  readonly pid: number;
  /** The words that the statement begins with, or null between two statements and where the server does not tell. */
  readonly statement: string | null;
  /** When it began, or since when nothing runs. */
  readonly since: Date | null;
  /** Whom it waits for; empty while it works. */
  readonly waitsFor: readonly SqlWait[];
  /** How far it is; null where the server does not count. */
  readonly work: SqlWork | null;
}
