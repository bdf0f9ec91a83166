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

  constructor(message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** The registry is inconsistent: gaps, repeats or empty steps. Thrown when it is built, never while migrating. */
export class RegistryError extends MigrationError {
  readonly code = "registry_invalid";
}

/** An ID names no migration, or more than one. `candidates` lists what was possible. */
export class UnknownMigrationError extends MigrationError {
  readonly code = "unknown_migration";
  readonly candidates: readonly string[];

  constructor(message: string, candidates: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.candidates = candidates;
  }
}

/** The request contradicts itself or the state: nothing was done. */
export class RefusedError extends MigrationError {
  readonly code = "refused";
}

/** A store cannot be reached. */
export class StoreUnreachableError extends MigrationError {
  readonly code = "store_unreachable";
  readonly store: StoreName;

  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** A store was reached and refuses: wrong credentials, or missing rights. */
export class StoreDeniedError extends MigrationError {
  readonly code = "store_denied";
  readonly store: StoreName;

  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** Another process holds the lock. */
export class LockHeldError extends MigrationError {
  readonly code = "lock_held";
  /** Who holds it, as far as it can be told. */
  readonly owner: LockOwner | null;

  constructor(message: string, owner: LockOwner | null, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.owner = owner;
  }
}

/** The lock was held and then lost: the run stopped before its next write. */
export class LockLostError extends MigrationError {
  readonly code = "lock_lost";
}

/** A saved plan no longer fits. `changes` says what moved, one line each. */
export class PlanStaleError extends MigrationError {
  readonly code = "plan_stale";
  readonly changes: readonly string[];

  constructor(message: string, changes: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.changes = changes;
  }
}

/** The SQL bookkeeping is marked dirty: another tool failed in the middle of a step. */
export class DirtyError extends MigrationError {
  readonly code = "dirty";
  readonly version: number;

  constructor(version: number, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.version = version;
  }
}

/** An applied step was changed, is missing or is out of order. */
export class DriftError extends MigrationError {
  readonly code = "drift";
}

/** Where in a statement a server found fault. Line and column count from 1. */
export interface StatementPosition {
  readonly line: number;
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
  readonly position: StatementPosition | null;
  /** The server's error code, for example `42P07`. */
  readonly serverCode: string | null;
  readonly detail: string | null;
  readonly serverHint: string | null;
}

/** A SQL step failed and left nothing behind. */
export class StepFailedError extends MigrationError {
  readonly code = "step_failed";
  readonly failure: StepFailure;

  constructor(message: string, failure: StepFailure, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.failure = failure;
  }
}

/** Some migrations of an `apply` could not be finished. `results` accounts for every planned one. */
export class ApplyError extends MigrationError {
  readonly code = "apply_failed";
  readonly results: readonly MigrationResult[];

  constructor(message: string, results: readonly MigrationResult[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.results = results;
  }
}

/** Migrations are pending where none may be: thrown by `assertCurrent()`. */
export class PendingError extends MigrationError {
  readonly code = "pending";
  readonly sql: number;
  readonly redis: number;

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
  readonly code = "interrupted";
}
