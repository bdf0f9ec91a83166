/**
 * The engine: one thin method for each thing that can be asked or done. The work is in the file of the same name.
 *
 * @module
 */

import { apply, type ApplyOptions, type ApplyResult } from "./apply.ts";
import {
  assertCleanable,
  cleanup,
  type CleanupOptions,
  type CleanupPlan,
  planCleanup,
  type PlanCleanupOptions,
} from "./cleanup.ts";
import type { CleanupResult } from "./migration.ts";
import type { SqlPrepared } from "./sql/sql_prepared.ts";
import type { DownTarget, SqlDownPlan } from "./sql/sql_plan.ts";
import type { KeptForm, RedisDifference, ResolveResult } from "./redis_backend.ts";
import { checkOptions, checkTarget, shown } from "./check_options.ts";
import { down, type DownOptions, planDown, type PlanDownOptions } from "./down.ts";
import { RefusedError } from "./errors.ts";
import { force, type ForceOptions } from "./force.ts";
import { init, type InitOptions, type InitResult } from "./init.ts";
import type { ClearedLock, UnlockOptions } from "./lock/clear.ts";
import type { LockOptions, LockOwner } from "./lock/lock.ts";
import { assertNonePending, makeList, type MigrationList } from "./list.ts";
import { listening } from "./listening.ts";
import { resolveId } from "./resolve_id.ts";
import { abortPrepared, prepare, type PrepareOptions } from "./prepare.ts";
import { makePlan, type Plan, type PlanOptions } from "./plan.ts";
import { readState, type ReadStateOptions, type StateReading } from "./state.ts";
import { planResolve, type PlanResolveOptions, resolveDifferences } from "./resolve.ts";
import { makeStatus, type Status } from "./status.ts";
import { askEach, type EngineContext } from "./stores.ts";
import { lockOwner, unlock } from "./unlock.ts";
import { readUntilStopped, type StopOptions } from "./until_stopped.ts";
import { verify, type VerifyOptions, type VerifyResult } from "./verify.ts";

/**
 * One workflow over the SQL and the Redis data of an application.
 *
 * It never prints, reads no environment, never exits, and neither opens nor closes the clients it was given. Every method throws a
 * {@linkcode RefusedError} for an option that is nothing it may be, before it asks a store; what a listener among them throws, or its
 * promise rejects with, ends the work as a signal does, and is what the method throws then.
 */
export class Engine {
  readonly #context: EngineContext;

  /**
   * Made by {@linkcode createEngine}.
   *
   * @internal
   */
  constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Finds the migration that a person means.
   *
   * @param id In any form that names one: `sql/000005`, `sql/5`, `redis/2`, `002_timestamps`, `5` where one side has it.
   * @returns The ID in full, for example `sql/000005`.
   * @throws {UnknownMigrationError} When none or more than one migration is meant; it carries the candidates.
   */
  resolve(id: string): string {
    if (typeof id !== "string") throw new RefusedError(`Cannot find a migration: ${shown(id)} is no ID`);
    return resolveId(id, this.#known()).id;
  }

  /**
   * Lists every migration with its status. Reads only.
   *
   * @param options Whether to do without a store whose bookkeeping somebody holds, and when not to wait any longer.
   * @returns Postgres first, then ClickHouse, then Redis, each in version order.
   * @throws {StoreUnreachableError | StoreDeniedError} When a store cannot be read: that is never "pending".
   */
  async list(options: ReadStateOptions = {}): Promise<MigrationList> {
    checkOptions(options);
    const state = await readUntilStopped(options.signal, this.#read(options));
    return makeList(this.#context.deployment, state);
  }

  /**
   * Says how far each store is, what is pending, and who holds the lock. Reads only.
   *
   * @param options Whether to do without a store whose bookkeeping somebody holds, and when not to wait any longer.
   * @returns Null for each store that the engine was not given, and for a lock that nobody holds.
   * @throws {StoreUnreachableError | StoreDeniedError} When a store cannot be read.
   */
  async status(options: ReadStateOptions = {}): Promise<Status> {
    checkOptions(options);
    return await readUntilStopped(options.signal, this.#status(options));
  }

  /**
   * Says what {@linkcode Engine.apply} would do, in numbers. Reads only; scans the records of pending Redis migrations,
   * each planned as if those before it had run.
   *
   * @param options Which migrations; everything that is pending by default.
   * @returns With `hasChanges` false when nothing is pending. Its `digest` and `basis` make a saved plan.
   * @throws {UnknownMigrationError} When an ID names no migration, or more than one.
   * @throws {RefusedError} When a named migration needs an earlier one that is pending and not named.
   */
  async plan(options: PlanOptions = {}): Promise<Plan> {
    checkOptions(options);
    return await readUntilStopped(options.signal, this.#plan(options));
  }

  /**
   * Applies what is pending, SQL first, then Redis, in version order, under the lock.
   *
   * @param options Which migrations, how long to wait for the lock (60 s by default), how fast to go.
   * @returns An account of every planned migration; with nothing pending it is empty, and no lock was taken unless
   * older bookkeeping is to be taken over.
   * @throws {ApplyError} When one could not be finished; it carries the same account.
   * @throws {LockHeldError} When somebody else held the lock for longer than `waitMs`.
   * @throws {LockLostError} When the lock was lost on the way.
   * @throws {PlanStaleError} When a saved plan no longer fits.
   * @throws {DirtyError} When another tool left the SQL bookkeeping dirty.
   * @throws {DriftError} When an applied SQL step was changed, is missing or is out of order.
   * @throws {InterruptedError} When the signal fired; the next call continues.
   */
  async apply(options: ApplyOptions = {}): Promise<ApplyResult> {
    checkOptions(options);
    return await listening(options, (all) => apply(this.#context, () => this.#readFor(all), all));
  }

  /**
   * Builds the tables of pending Postgres steps anew beside the running application, in step with what it writes, so that
   * {@linkcode Engine.apply} only puts them in their places. What is prepared is still pending. Takes the lock.
   *
   * @param options How long to wait for the lock, and how fast to go.
   * @returns What is prepared by now; null when nothing is pending.
   * @throws {BlockedError} When something stands in the way of the steps.
   * @throws {StoreDeniedError} When that is rights alone.
   * @throws {RefusedError} When the tables have anything that new ones would not have, or were changed since it was begun.
   * @throws {InterruptedError} When the signal fired; the next call continues.
   */
  async prepare(options: PrepareOptions = {}): Promise<SqlPrepared | null> {
    checkOptions(options);
    return await listening(options, (all) => prepare(this.#context, () => this.#readFor(all), all));
  }

  /**
   * Takes away what {@linkcode Engine.prepare} made: new tables, triggers and notes. Takes the lock.
   *
   * @param options How long to wait for the lock.
   * @returns False where nothing was prepared.
   */
  async abortPrepared(options: LockOptions = {}): Promise<boolean> {
    checkOptions(options);
    return await listening(options, (all) => abortPrepared(this.#context, all));
  }

  /**
   * Proves that what is applied is true: schema, checksums, records. Reads only.
   *
   * @param options Which migrations, and whether every record or a random sample of 20 groups is looked at.
   * @returns With `ok` false when anything differs, and for what is pending: that cannot be verified.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    checkOptions(options);
    const verifying = this.#read().then((state) => verify(this.#context, state, options));
    return await readUntilStopped(options.signal, verifying);
  }

  /**
   * Counts what {@linkcode Engine.cleanup} would look at. Reads only.
   *
   * @param options Which one is meant, and how fast to go.
   * @returns One item for each applied migration that leaves something behind, also when that is gone already.
   * @throws {NotVerifiedError} When the one that is meant is not applied.
   */
  async planCleanup(options: PlanCleanupOptions = {}): Promise<CleanupPlan> {
    checkOptions(options);
    const id = options.id === undefined ? undefined : this.resolve(options.id);
    return await listening({ ...options, id }, (all) => {
      const counting = this.#read().then((state) => planCleanup(this.#context, state, all));
      return readUntilStopped(all.signal, counting);
    });
  }

  /**
   * Proves that what migrations left behind may be deleted: they are applied, and verify. Reads only.
   *
   * @param ids In full, for example `redis/001_hash_tags`.
   * @param options Ends the walk over records after the batch in hand.
   * @throws {NotVerifiedError} When one is not applied, or does not verify.
   */
  async assertCleanable(ids: readonly string[], options: StopOptions = {}): Promise<void> {
    checkOptions({ ...options, ids });
    const known = ids.map((id) => this.resolve(id));
    const proving = this.#read().then((state) =>
      assertCleanable(this.#context, state, known, options.signal)
    );
    await readUntilStopped(options.signal, proving);
  }

  /**
   * Deletes what a migration left behind, record by record, each only when its copy is proven. Takes the lock.
   *
   * @param id In any form that names one migration.
   * @param options Whether to skip the verification beforehand, and how fast to go.
   * @returns How much was deleted; what is not proven was kept, and is named.
   * @throws {NotVerifiedError} When the migration is not applied, or does not verify and `force` is not set.
   */
  async cleanup(id: string, options: CleanupOptions = {}): Promise<CleanupResult> {
    checkOptions(options);
    const known = this.resolve(id);
    return await listening(options, (all) => cleanup(this.#context, () => this.#readFor(all), known, all));
  }

  /**
   * Finds records that are there in two forms of which nobody but a person can tell which is right. Reads only.
   *
   * @param id In any form that names one migration.
   * @param options Which originals to look at; left out, every one that has to be settled. What is still to be copied is not.
   * @returns Both forms of each, without secrets: what {@linkcode Engine.resolveDifferences} takes.
   * @throws {RefusedError} When the migration makes no copies, or several originals are shown as one of the keys.
   */
  async planResolve(id: string, options: PlanResolveOptions = {}): Promise<readonly RedisDifference[]> {
    checkOptions(options);
    return await readUntilStopped(options.signal, planResolve(this.#context, this.resolve(id), options));
  }

  /**
   * Writes one form of records over the other. Takes the lock. What has changed since it was shown is left alone.
   *
   * @param id In any form that names one migration.
   * @param differences What {@linkcode Engine.planResolve} found, or some of it.
   * @param keep The form that holds. Where the copy holds and there is none, the original is deleted if it is `deletable`.
   * @param options How long to wait for the lock.
   * @returns How many were settled, and why others were not.
   */
  async resolveDifferences(
    id: string,
    differences: readonly RedisDifference[],
    keep: KeptForm,
    options: LockOptions = {},
  ): Promise<ResolveResult> {
    checkOptions({ ...options, differences, keep });
    const known = this.resolve(id);
    return await listening(options, (all) => {
      return resolveDifferences(this.#context, known, differences, keep, all);
    });
  }

  /**
   * Says what taking back SQL steps would cost. Reads only.
   *
   * @param target How many, or the version to go down to; more than there are means all.
   * @param options Which store, needed only beside another one.
   * @returns The steps, the newest first, and what goes or cannot come back; none at or below the version named.
   * @throws {RefusedError} When the engine has no such store, or its database is at a version that is not known.
   * @throws {BlockedError} When a partition is detached that the steps would pass by.
   */
  async planDown(target: DownTarget, options: PlanDownOptions = {}): Promise<SqlDownPlan> {
    checkTarget(target);
    checkOptions(options);
    return await readUntilStopped(options.signal, planDown(this.#context, target, options));
  }

  /**
   * Takes back SQL steps, the newest first, each with its record in one transaction where it allows. Takes the lock.
   *
   * @param target How many, or the version to go down to; more than there are means all. A number is counted from where the
   * database is under the lock: after an interruption name the version, so that doing it twice does no more than doing it once.
   * @param options Which store, needed only beside another one, how long to wait for the lock, and the version that was shown.
   * @returns The IDs taken back, the newest first; empty at version 0, and at or below the version named.
   * @throws {RefusedError} When the engine has no such store, or its database is at a version that is not known.
   * @throws {PlanStaleError} When the database is not at the version that was shown.
   * @throws {BlockedError} When a partition is detached that the steps would pass by.
   */
  async down(target: DownTarget, options: DownOptions = {}): Promise<readonly string[]> {
    checkTarget(target);
    checkOptions(options);
    return await listening(options, (all) => down(this.#context, target, all));
  }

  /**
   * Sets the SQL version by hand and clears dirty, after a repair. Takes the lock. No step is run.
   *
   * @param version A version that the registry knows, or 0 for none.
   * @param options Which store, needed only beside another one, how long to wait for the lock, and the version that was shown.
   * @throws {RefusedError} When no step has this version, or the engine has no such store; and at a version that the registry does not
   * know, unless that is the one that was shown.
   * @throws {PlanStaleError} When the database is not at the version that was shown.
   */
  async force(version: number, options: ForceOptions = {}): Promise<void> {
    checkOptions(options);
    await listening(options, (all) => force(this.#context, version, all));
  }

  /**
   * Prepares a fresh installation: marks the Redis migrations applied, once, whichever of many nodes gets there first. On a
   * used one it adopts old bookkeeping and changes nothing else. Takes the lock only where it writes.
   *
   * @param options How long to wait for the lock.
   * @returns What it found, and what is pending afterwards: SQL steps are left to {@linkcode Engine.apply}.
   */
  async init(options: InitOptions = {}): Promise<InitResult> {
    checkOptions(options);
    return await listening(options, (all) => init(this.#context, () => this.#readFor(all), all));
  }

  /**
   * Says who holds the lock. Reads only.
   *
   * @param options Ends the wait for a store that does not answer.
   * @returns The holder of the half in Redis, else that of the half in SQL; null when nobody does.
   * @throws {StoreUnreachableError | StoreDeniedError} When a store cannot be asked.
   */
  async lockOwner(options: StopOptions = {}): Promise<LockOwner | null> {
    checkOptions(options);
    return await readUntilStopped(options.signal, lockOwner(this.#context));
  }

  /**
   * Clears a dead lock, and a live one with `force`. Needs no SQL store: that half ends with its connection.
   *
   * @param options Whether to clear the lock of a living holder too.
   * @returns The names that were cleared; none when the lock was free.
   * @throws {LockHeldError} When the holder is alive and `force` is not set.
   */
  async unlock(options: UnlockOptions = {}): Promise<ClearedLock> {
    checkOptions(options);
    return await readUntilStopped(options.signal, unlock(this.#context, options));
  }

  /**
   * The gate for an application's own start. Reads only, and takes no lock: a role that may only SELECT and a Redis user
   * with read commands alone are enough.
   *
   * @param options Ends the wait for a store that does not answer.
   * @throws {StoreUnreachableError | StoreDeniedError} When a store cannot be read: that is never "pending".
   * @throws {PendingError} When anything is pending.
   * @throws {InterruptedError} When the signal fired first: then nothing is known.
   */
  async assertCurrent(options: StopOptions = {}): Promise<void> {
    checkOptions(options);
    assertNonePending(await this.#readFor(options));
  }

  #read(options: StateReading = {}) {
    return readState(this.#context, () => lockOwner(this.#context), options);
  }

  #readFor({ signal }: StopOptions) {
    return readUntilStopped(signal, this.#read());
  }

  async #status(options: ReadStateOptions): Promise<Status> {
    const state = await this.#read(options);
    if (state.lock === null) return makeStatus(state);
    const seen = await askEach(this.#context.sql, (backend) => backend.activity());
    return makeStatus(state, [...seen.values()].find((activity) => activity !== null));
  }

  async #plan(options: PlanOptions): Promise<Plan> {
    const state = await this.#read({ unlessUntrusted: options.saved === undefined });
    return await makePlan(this.#context, state, options);
  }

  #known() {
    return [
      ...[...this.#context.sql.values()].flatMap((backend) => backend.migrations),
      ...(this.#context.redis?.migrations ?? []),
    ];
  }
}
