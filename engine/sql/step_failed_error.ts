/**
 * What is known of a SQL step that failed, down to the place in its statement.
 *
 * @module
 */

import { MigrationError, type MigrationErrorOptions } from "../errors.ts";

/** Where in a statement a server found fault. Line and column count from 1. */
export interface StatementPosition {
  /** Line within the statement. */
  readonly line: number;
  /** Character within the line. */
  readonly column: number;
  /** The offending line and a caret below it. */
  readonly excerpt: string;
}

/** What is known of a failed SQL statement. */
export interface StepFailure {
  /** The migration, as `sql/000005`. */
  readonly id: string;
  /** The statement in full. */
  readonly statement: string;
  /** Where in the statement, or null where the server does not say. */
  readonly position: StatementPosition | null;
  /** The server's error code, for example `42P07`; null when the failure was not the server's. */
  readonly serverCode: string | null;
  /** The server's detail, or null. */
  readonly detail: string | null;
  /** The server's hint, or null. */
  readonly serverHint: string | null;
}

/** A SQL step failed. It left nothing behind, but where it runs without a transaction: there what ran before stays. */
export class StepFailedError extends MigrationError {
  /** Always `step_failed`. */
  readonly code = "step_failed";
  /** The statement, and what the server said. */
  readonly failure: StepFailure;

  /** @ignore Made by the engine alone. */
  constructor(message: string, failure: StepFailure, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.failure = failure;
  }
}
