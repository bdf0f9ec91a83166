/**
 * Every error that a caller of the engine may catch. Each class has a stable `code`, which is the contract with programs;
 * messages are for people and may change.
 *
 * @module
 */

import type { Blocker } from "./blocker.ts";
import { type Hint, joinHints, textForCallers, textOf } from "./hint.ts";
import type { LockOwner } from "./lock/lock.ts";
import type { MigrationResult, StoreName } from "./migration.ts";

/** What {@linkcode MigrationError} and its subclasses accept beside their message. */
export interface MigrationErrorOptions extends ErrorOptions {
  /** What to do next, one line. */
  readonly hint?: string | Hint | undefined;
}

/**
 * The base of all errors of the engine: a stable `code`, a message and, where there is one, a way out.
 *
 * @example Tell failures apart
 * ```ts
 * import { type Engine, LockHeldError, MigrationError } from "@outpost/migrate";
 *
 * export async function migrate(engine: Engine): Promise<string> {
 *   try {
 *     await engine.apply();
 *     return "done";
 *   } catch (error) {
 *     if (error instanceof LockHeldError) return `held by ${error.owner?.host ?? "another tool"}`;
 *     if (error instanceof MigrationError) return `${error.code}: ${error.message}; ${error.hint ?? ""}`;
 *     throw error;
 *   }
 * }
 * ```
 */
export abstract class MigrationError extends Error {
  /** Stable name of the failure, in snake_case. */
  abstract readonly code: string;
  /** What to do next, in terms of this library, or undefined when there is nothing to advise. */
  readonly hint: string | undefined;
  readonly #hint: string | Hint | undefined;

  /** @ignore Made by the engine alone. */
  constructor(message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.#hint = options.hint;
    this.hint = options.hint === undefined ? undefined : textForCallers(options.hint);
  }

  /** The hint, its commands written as the users of an application type them. */
  hintWith(write: (command: string) => string): string | undefined {
    return this.#hint === undefined ? undefined : textOf(this.#hint, write);
  }
}

/**
 * The registry is inconsistent: gaps, repeats or empty steps. Thrown when it or an engine is built, and later only where a function of a
 * migration answers what it must not: nothing is written for such an answer.
 */
export class RegistryError extends MigrationError {
  /** Always `registry_invalid`. */
  readonly code = "registry_invalid";
}

/** An ID names no migration, or more than one. `candidates` lists what was possible. */
export class UnknownMigrationError extends MigrationError {
  /** Always `unknown_migration`. */
  readonly code = "unknown_migration";
  /** IDs of the migrations that match, or of all known ones when none does. */
  readonly candidates: readonly string[];

  /** @ignore Made by the engine alone. */
  constructor(message: string, candidates: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.candidates = candidates;
  }
}

/** The request contradicts itself or the state: nothing was done. */
export class RefusedError extends MigrationError {
  /** Always `refused`. */
  readonly code = "refused";
}

/** Something stands in the way of what was to be applied or prepared. Nothing was changed. */
export class BlockedError extends MigrationError {
  /** Always `blocked`. */
  readonly code = "blocked";
  /** What it is; never empty. */
  readonly blockers: readonly Blocker[];

  /** @ignore Made by the engine alone. */
  constructor(
    action: "apply" | "prepare" | "take SQL steps back",
    blockers: readonly Blocker[],
    options: ErrorOptions = {},
  ) {
    super(`Cannot ${action}, nothing was changed: ${blockers.map(({ detail }) => detail).join("; ")}`, {
      ...options,
      hint: joinHints(blockers.map(({ hint, parts }) => parts ?? hint)),
    });
    this.blockers = blockers;
  }
}

/** A store cannot be reached. */
export class StoreUnreachableError extends MigrationError {
  /** Always `store_unreachable`. */
  readonly code = "store_unreachable";
  /** The one that failed; the others may be well. */
  readonly store: StoreName;

  /** @ignore Made by the engine alone. */
  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** A store answers, but somebody holds a table that the answer cannot do without. */
export class StoreHeldError extends StoreUnreachableError {}

/** A store was reached and refuses: wrong credentials, or missing rights. */
export class StoreDeniedError extends MigrationError {
  /** Always `store_denied`. */
  readonly code = "store_denied";
  /** The one that failed; the others may be well. */
  readonly store: StoreName;

  /** @ignore Made by the engine alone. */
  constructor(store: StoreName, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.store = store;
  }
}

/** More than one store cannot be reached, or refuses. */
export class StoresFailedError extends MigrationError {
  /** Always `stores_failed`. */
  readonly code = "stores_failed";
  /** One for each, in the order in which they are migrated. */
  readonly failures: readonly (StoreUnreachableError | StoreDeniedError)[];

  /** @ignore Made by the engine alone. */
  constructor(failures: readonly (StoreUnreachableError | StoreDeniedError)[]) {
    super(failures.map(({ message }) => message).join("; "), {
      hint: failures.flatMap(({ hint }) => hint ?? []).join(". "),
    });
    this.failures = failures;
  }

  /** The hints of all, their commands written as the users of an application type them. */
  override hintWith(write: (command: string) => string): string | undefined {
    return this.failures.flatMap((failure) => failure.hintWith(write) ?? []).join(". ");
  }
}

/** Another process holds the lock. */
export class LockHeldError extends MigrationError {
  /** Always `lock_held`. */
  readonly code = "lock_held";
  /** Who holds it, as far as it can be told. */
  readonly owner: LockOwner | null;

  /** @ignore Made by the engine alone. */
  constructor(message: string, owner: LockOwner | null, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.owner = owner;
  }
}

/** The lock was held and then lost: the run stopped before its next write. */
export class LockLostError extends MigrationError {
  /** Always `lock_lost`. */
  readonly code = "lock_lost";
}

/** A saved plan no longer fits. `changes` says what moved, one line each. */
export class PlanStaleError extends MigrationError {
  /** Always `plan_stale`. */
  readonly code = "plan_stale";
  /** One sentence for each thing that moved since the plan was made; never empty. */
  readonly changes: readonly string[];

  /** @ignore Made by the engine alone. */
  constructor(message: string, changes: readonly string[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.changes = changes;
  }
}

/** The SQL bookkeeping is marked dirty: another tool failed in the middle of a step. */
export class DirtyError extends MigrationError {
  /** Always `dirty`. */
  readonly code = "dirty";
  /** The version in whose middle the other tool failed. */
  readonly version: number;

  /** @ignore Made by the engine alone. */
  constructor(version: number, message: string, options: MigrationErrorOptions = {}) {
    super(message, options);
    this.version = version;
  }
}

/** An applied step was changed, is missing or is out of order. */
export class DriftError extends MigrationError {
  /** Always `drift`. */
  readonly code = "drift";
}

/** Some migrations of an `apply` could not be finished. `results` accounts for every planned one. */
export class ApplyError extends MigrationError {
  /** Always `apply_failed`. */
  readonly code = "apply_failed";
  /** In the order of the plan, those that were not run included. */
  readonly results: readonly MigrationResult[];

  /** @ignore Made by the engine alone. */
  constructor(message: string, results: readonly MigrationResult[], options: MigrationErrorOptions = {}) {
    super(message, options);
    this.results = results;
  }
}

/** Migrations are pending where none may be: thrown by `assertCurrent()`. */
export class PendingError extends MigrationError {
  /** Always `pending`. */
  readonly code = "pending";
  /** How many are pending in Postgres and ClickHouse together. */
  readonly sql: number;
  /** How many are pending in Redis. */
  readonly redis: number;

  /** @ignore Made by the engine alone. */
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

/** What is recorded as applied could not be proven, or is not applied where it has to be. */
export class NotVerifiedError extends MigrationError {
  /** Always `not_verified`. */
  readonly code = "not_verified";
}

/** The caller's abort signal fired: the batch in hand was finished, the lock released, and the rest left for the next run. */
export class InterruptedError extends MigrationError {
  /** Always `interrupted`. */
  readonly code = "interrupted";
}
