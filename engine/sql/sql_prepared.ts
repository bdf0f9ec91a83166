/**
 * How far new tables are that are built beside a running application.
 *
 * @module
 */

/** What is prepared beside a running application. What this role may not read is null. */
export interface SqlPrepared {
  /** The versions that `apply` would put in place together. */
  readonly versions: readonly number[];
  /** True when all is built and proven. */
  readonly ready: boolean;
  /** What was done last, for people, for example `copying events`. */
  readonly phase: string;
  /** Rows copied so far. */
  readonly rows: number | null;
  /** Writes of the application that are yet to be taken in. */
  readonly backlog: number | null;
  /** When it was begun. */
  readonly since: Date | null;
  /** Who began it, for example `user@host`. */
  readonly by: string | null;
  /** Space on disk that it takes. */
  readonly bytes: number;
  /** Why it is of no use, or null. */
  readonly problem: string | null;
}
