/**
 * The engine: one thin method for each thing that can be asked or done. The work is in the file of the same name.
 *
 * @module
 */

import { apply, type ApplyOptions, type ApplyResult } from "./apply.ts";
import { cleanup, type CleanupOptions, type CleanupPlan, planCleanup } from "./cleanup.ts";
import type { CleanupResult, SqlDownPlan } from "./backend.ts";
import { down, type DownOptions, force, planDown } from "./down.ts";
import { PendingError } from "./errors.ts";
import { init, type InitOptions, type InitResult } from "./init.ts";
import type { LockOwner } from "./lock.ts";
import type { LockSettings } from "./locked.ts";
import { type MigrationEntry, resolveId } from "./migration.ts";
import { makePlan, type Plan, type PlanOptions } from "./plan.ts";
import { type Backends, type PendingCounts, readState } from "./state.ts";
import { makeStatus, type Status } from "./status.ts";
import { type ClearedLock, unlock, type UnlockOptions, whoHolds } from "./unlock.ts";
import { verify, type VerifyOptions, type VerifyResult } from "./verify.ts";

/** What an engine works with. */
export interface EngineOptions extends Backends {
  /** How the lock is taken and kept. */
  readonly lock: LockSettings;
  /** The deployment, for saved plans and outputs; empty for none. */
  readonly deployment: string;
  /** Version of the program, written into history, locks and plans. */
  readonly version: string;
}

/** Every migration with its status. */
export interface MigrationList {
  /** The deployment; empty for none. */
  readonly deployment: string;
  /** All of them, SQL first, in version order. */
  readonly migrations: readonly MigrationEntry[];
  /** How many keep a server from starting. */
  readonly pending: PendingCounts;
}

/**
 * One workflow over the SQL and the Redis data of an application.
 *
 * It never prints, reads no environment, never exits, and neither opens nor closes the clients it was given.
 */
export class Engine {
  readonly #options: EngineOptions;

  /**
   * Made by {@linkcode createEngine}.
   *
   * @internal
   */
  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Resolves a loose ID. @throws {UnknownMigrationError} When none or more than one migration is meant. */
  resolve(id: string): string {
    return resolveId(id, this.#known()).id;
  }

  /** Lists every migration, SQL first, with its status. Reads only. */
  async list(): Promise<MigrationList> {
    const { entries, pending } = await this.#read();
    return { deployment: this.#options.deployment, migrations: entries, pending };
  }

  /** Versions, pending counts, and who holds the lock. Reads only. */
  async status(): Promise<Status> {
    return makeStatus(this.#options, await this.#read());
  }

  /** Says what {@linkcode Engine.apply} would do, in numbers. Reads only; scans the records of pending Redis migrations. */
  async plan(options: PlanOptions = {}): Promise<Plan> {
    return await makePlan(this.#options, await this.#read(), options);
  }

  /**
   * Applies what is pending, SQL first, then Redis, in version order, under the lock.
   *
   * @returns An account of every planned migration; with nothing pending it is empty and no lock was taken.
   * @throws {ApplyError} When one could not be finished; it carries the same account.
   * @throws {LockHeldError} When somebody else held the lock for longer than `waitMs`.
   * @throws {LockLostError} When the lock was lost on the way.
   * @throws {PlanStaleError} When a saved plan no longer fits.
   * @throws {DirtyError} When another tool left the SQL bookkeeping dirty.
   * @throws {InterruptedError} When the signal fired; the next call continues.
   */
  async apply(options: ApplyOptions = {}): Promise<ApplyResult> {
    return await apply(this.#options, () => this.#read(), options);
  }

  /** Proves that what is applied is true: schema, checksums, records. Reads only. */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    return await verify(this.#options, await this.#read(), options);
  }

  /** Counts what {@linkcode Engine.cleanup} would look at. Reads only. */
  async planCleanup(options: CleanupOptions = {}): Promise<CleanupPlan> {
    return await planCleanup(this.#options, await this.#read(), options);
  }

  /**
   * Deletes what a migration left behind, record by record, each only when its copy is proven. Takes the lock.
   *
   * @throws {RefusedError} When the migration is not applied, or does not verify and `force` is not set.
   */
  async cleanup(id: string, options: CleanupOptions = {}): Promise<CleanupResult> {
    return await cleanup(this.#options, () => this.#read(), this.resolve(id), options);
  }

  /** Says what taking back the last SQL steps would cost. Reads only. */
  async planDown(steps: number): Promise<SqlDownPlan> {
    return await planDown(this.#options, steps);
  }

  /** Takes back the last SQL steps, the newest first. Takes the lock. @returns The IDs taken back. */
  async down(steps: number, options: DownOptions = {}): Promise<readonly string[]> {
    return await down(this.#options, steps, options);
  }

  /** Sets the SQL version by hand and clears dirty. Takes the lock. No step is run. */
  async force(version: number, options: DownOptions = {}): Promise<void> {
    await force(this.#options, version, options);
  }

  /** Prepares a fresh installation: marks the Redis migrations applied, once. On a used one it adopts old bookkeeping. */
  async init(options: InitOptions = {}): Promise<InitResult> {
    return await init(this.#options, () => this.#read(), options);
  }

  /** Who holds the lock, or null. Reads only. */
  async lockOwner(): Promise<LockOwner | null> {
    return await whoHolds(this.#options);
  }

  /**
   * Clears a dead lock, and a live one with `force`.
   *
   * @throws {LockHeldError} When the holder is alive and `force` is not set.
   */
  async unlock(options: UnlockOptions = {}): Promise<ClearedLock> {
    return await unlock(this.#options, options);
  }

  /**
   * The gate for an application's own start. Reads only.
   *
   * @throws {PendingError} When anything is pending.
   */
  async assertCurrent(): Promise<void> {
    const { pending } = await this.#read();
    if (pending.sql === 0 && pending.redis === 0) return;
    throw new PendingError(
      `Cannot start: ${pending.sql} SQL and ${pending.redis} Redis migrations are pending`,
      pending,
      { hint: "Apply them first" },
    );
  }

  #read() {
    return readState(this.#options, () => this.lockOwner());
  }

  #known() {
    return [
      ...this.#options.sql.flatMap((backend) => backend.migrations),
      ...(this.#options.redis?.migrations ?? []),
    ];
  }
}
