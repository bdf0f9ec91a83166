/**
 * One statement of a SQL step, as data.
 *
 * @module
 */

/** How strongly a step locks a table: against writers alone, or against readers as well. */
export type TableLockMode = "SHARE ROW EXCLUSIVE" | "ACCESS EXCLUSIVE";

/** Tables that a statement locks. */
export interface TableLocks {
  /** Their names, as a statement would have them. */
  readonly tables: readonly string[];
  /** How strongly. */
  readonly mode: TableLockMode;
  /** What will be asked for afterwards: whoever is in the way of that is waited for as well, before anybody is kept waiting. */
  readonly ahead?: TableLockMode;
}

/** One statement of a step. */
export interface SqlStatement {
  /** One statement in the store's dialect, shown by `plan` and hashed as it stands; no final semicolon is needed. */
  readonly text: string;
  /**
   * The statement does nothing but lock these tables. Whoever is in the way is waited for outside of the queue, where nobody is
   * held up, and is named.
   */
  readonly locks?: TableLocks;
  /**
   * A lock that is taken late, after long work under weaker locks: where it cannot be had within `lock_timeout`, it alone is
   * tried again, for as long at least as the work before it took, which is kept.
   */
  readonly retriesAlone?: boolean;
  /**
   * Name of the index that this statement builds outside of a transaction. A valid index of that name means that the statement
   * is done; an invalid one was left by a crash and is dropped first.
   */
  readonly buildsIndex?: string;
  /**
   * ClickHouse: query for one number. The statement is not run where it gives 0, and is run again until it does: for what an
   * application goes on writing meanwhile, and for what is to be waited for. `{since:Float64}` is the server's time in seconds when
   * this statement's turn came, in its text too.
   */
  readonly until?: string;
  /**
   * ClickHouse: the table, as `{{name}}` has it, whose rows this statement rewrites by a mutation. The server does that in its own
   * time: it is queued, and waited for with short questions. One that an earlier run queued is waited for, and not queued again.
   */
  readonly mutates?: string;
}
