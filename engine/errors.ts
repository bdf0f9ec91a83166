/**
 * Every error that a caller of the engine may catch. Each class has a stable `code`, which is the contract with programs;
 * messages are for people and may change.
 *
 * @module
 */

import type { LockOwner } from "./lock.ts";
import type { MigrationResult } from "./migration.ts";

/** The store that an error speaks of. */
export type StoreName = "postgres" | "clickhouse" | "redis";

/** What {@linkcode MigrationError} and its subclasses accept beside their message. */
export interface MigrationErrorOptions extends ErrorOptions {
  /** What to do next, one line. */
  readonly hint?: string;
}

/** The base of all errors of the engine: a stable `code`, a message and, where there is one, a way out. */
export abstract class MigrationError extends Error {
  /** Stable name of the failure, in snake_case. */
  abstract readonly code: string;
  /** What to do next, or undefined when there is nothing to advise. */
  readonly hint: string | undefined;

  /** Takes over the hint and the cause, and the name of the class. */
  constructor(message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** The registry is inconsistent: gaps, repeats or empty steps. Thrown when it is built, never while migrating. */
export class RegistryError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "registry_invalid";
}

/** An ID names no migration, or more than one. `candidates` lists what was possible. */
export class UnknownMigrationError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "unknown_migration";
  /** IDs that could have been meant. */
  readonly candidates: readonly string[];

  /** Keeps what was possible. */
  constructor(message: string, candidates: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.candidates = candidates;
  }
}

/** The request contradicts itself or the state: nothing was done. */
export class RefusedError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "refused";
}

/** A store cannot be reached. */
export class StoreUnreachableError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "store_unreachable";
  /** Which store. */
  readonly store: StoreName;

  /** Keeps which store it is. */
  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** A store was reached and refuses: wrong credentials, or missing rights. */
export class StoreDeniedError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "store_denied";
  /** Which store. */
  readonly store: StoreName;

  /** Keeps which store it is. */
  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** Another process holds the lock. */
export class LockHeldError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "lock_held";
  /** Who holds it, as far as it can be told. */
  readonly owner: LockOwner | null;

  /** Keeps who holds the lock. */
  constructor(message: string, owner: LockOwner | null, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.owner = owner;
  }
}

/** The lock was held and then lost: the run stopped before its next write. */
export class LockLostError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "lock_lost";
}

/** A saved plan no longer fits. `changes` says what moved, one line each. */
export class PlanStaleError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "plan_stale";
  /** What moved since the plan was made, one sentence each. */
  readonly changes: readonly string[];

  /** Keeps what moved. */
  constructor(message: string, changes: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.changes = changes;
  }
}

/** The SQL bookkeeping is marked dirty: another tool failed in the middle of a step. */
export class DirtyError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "dirty";
  /** The version that is marked. */
  readonly version: number;

  /** Keeps the version. */
  constructor(version: number, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.version = version;
  }
}

/** An applied step was changed, is missing or is out of order. */
export class DriftError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "drift";
}

/** Where in a statement a server found fault. Line and column count from 1. */
export interface StatementPosition {
  /** Line, counted from 1. */
  readonly line: number;
  /** Column, counted from 1. */
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
  /** The server's error code, for example `42P07`. */
  readonly serverCode: string | null;
  /** The server's detail, or null. */
  readonly detail: string | null;
  /** The server's hint, or null. */
  readonly serverHint: string | null;
}

/** A SQL step failed and left nothing behind. */
export class StepFailedError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "step_failed";
  /** The statement, and what the server said. */
  readonly failure: StepFailure;

  /** Keeps what is known of the statement. */
  constructor(message: string, failure: StepFailure, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.failure = failure;
  }
}

/** Some migrations of an `apply` could not be finished. `results` accounts for every planned one. */
export class ApplyError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "apply_failed";
  /** What became of every planned migration, in order. */
  readonly results: readonly MigrationResult[];

  /** Keeps the account. */
  constructor(message: string, results: readonly MigrationResult[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.results = results;
  }
}

/** Migrations are pending where none may be: thrown by `assertCurrent()`. */
export class PendingError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "pending";
  /** Pending SQL steps. */
  readonly sql: number;
  /** Pending Redis migrations. */
  readonly redis: number;

  /** Keeps both counts. */
  constructor(
    message: string,
    pending: { readonly sql: number; readonly redis: number },
    options: MigrationErrorOptions = {},
  ) {
    super(message, options);
    this.sql = pending.sql;
    this.redis = pending.redis;
  }
}

/** The caller's abort signal fired: the batch in hand was finished, the lock released, and the rest left for the next run. */
export class InterruptedError extends MigrationError {
  /** Tells this failure from others; stable. */
  readonly code = "interrupted";
}
