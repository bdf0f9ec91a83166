/**
 * The connection that writes: it holds the advisory lock, and every step runs on it.
 *
 * @module
 */

import type { SqlPrepareOptions, SqlRunOptions, SqlSession } from "../sql_backend.ts";
import { BlockedError, LockLostError, RefusedError, StoreUnreachableError } from "../errors.ts";
import type { LockOwner } from "../lock/lock.ts";
import { assertForceable } from "../sql/standing.ts";
import type { StepModule } from "../sql/step.ts";
import { Beforehand } from "./beforehand.ts";
import { cleanUp } from "./clean_up.ts";
import { storeError, whereOf } from "./errors.ts";
import { confirmAdvisoryLock, releaseAdvisoryLock, tryAdvisoryLock } from "./lock.ts";
import { lockKeyOf, type PostgresOptions } from "./options.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { StepRecords } from "./step_records.ts";
import { TransactionRunner } from "./transaction.ts";
import { withoutTransaction } from "./concurrent_step.ts";
import { findDetached } from "./detached.ts";
import { foldAlone, foldSteps } from "./fold.ts";
import { FoldRunner } from "./fold_runner.ts";
import type { Query } from "./query.ts";
import { readBookkeeping } from "./bookkeeping.ts";
import { hint } from "../hint.ts";
import { preparationFor, preparationName } from "./prepare/describe.ts";
import { Preparer } from "./prepare/preparer.ts";
import { StepByStep } from "./step_by_step.ts";
import { writable } from "./write_bookkeeping.ts";

/** A session over one connection. Made by the backend's `connect()`. */
export class PostgresSession implements SqlSession {
  readonly #connection: PinnedConnection;
  readonly #options: PostgresOptions;
  readonly #key: bigint;
  readonly #transactions: TransactionRunner;
  readonly #records: StepRecords;
  readonly #preparer: Preparer;
  readonly #beforehand: Beforehand;
  readonly #steps: StepByStep;
  readonly #folds: FoldRunner;
  #locked = false;

  constructor(connection: PinnedConnection, given: PostgresOptions) {
    const who = writable(given.tool.who, connection.encoding);
    const options = { ...given, tool: { ...given.tool, who } };
    this.#connection = connection;
    this.#options = options;
    this.#key = lockKeyOf(options.names, connection.schema, connection.database);
    this.#transactions = new TransactionRunner(connection, options);
    this.#records = new StepRecords(connection.schema, options);
    // The application is at work: where its transactions and this one wait for each other, this one must step back before the
    // server, after a second, finds a deadlock and ends one of them.
    const { lockTimeoutMs = QUICK_MS, lockRetries = 10 } = options;
    const momentMs = lockTimeoutMs === 0 ? QUICK_MS : Math.min(lockTimeoutMs, QUICK_MS);
    const quick = new TransactionRunner(connection, {
      ...options,
      lockTimeoutMs: momentMs,
      lockRetries: lockRetries * 3,
    });
    this.#preparer = new Preparer({
      transactions: quick,
      momentMs,
      schema: connection.schema,
      name: preparationName(options.tool),
      tool: options.tool,
      assertTrusted: (query) => this.#records.assertTrusted(query),
      mend: (query) => this.#records.mend(query),
      version: async (query) => (await readBookkeeping(query, connection.schema, options.names)).version,
      runAlone: async (what, text, run) => {
        await (await withoutTransaction(connection, options, what, run))(text);
      },
    });
    this.#beforehand = new Beforehand(connection, options, this.#transactions, this.#records);
    this.#steps = new StepByStep(connection, options, this.#transactions, this.#records);
    this.#folds = new FoldRunner({
      ...options,
      schema: connection.schema,
      records: this.#records,
      preparer: this.#preparer,
      transactions: this.#transactions,
      quick,
    });
  }

  async tryLock(lease: string | null): Promise<LockOwner | null> {
    const { tool, lease: { lockName, ttlMs } } = this.#options;
    if (this.#connection.lost) throw lost();
    const owner = await tryAdvisoryLock(this.#connection.directly, {
      key: this.#key,
      lease,
      lockName,
      ttlMs,
      toolName: tool.name,
    }).catch((error) => {
      throw storeError(error, "Cannot lock Postgres", whereOf(this.#options.sql.options));
    });
    this.#locked = owner === null;
    return owner;
  }

  async ping(): Promise<void> {
    if (this.#connection.lost) throw lost();
    // A question would wait for the end of a long statement; and where that one fails to end, it reports the loss itself.
    if (this.#connection.busy) return;
    await this.#guard(() => confirmAdvisoryLock(this.#connection.directly, this.#key));
  }

  guards(version: number): boolean {
    return this.#module(version).step.transactional;
  }

  async up(version: number, options: SqlRunOptions): Promise<void> {
    const module = this.#module(version);
    if (await this.#switched([version], options)) return;
    const fold = foldAlone({ ...this.#options, step: module.step });
    await this.#guard(async () => {
      await this.#beforehand.takeAway(version, options);
      if (fold !== null) return await this.#folds.run(fold, options);
      await this.#steps.run("up", module, await this.#beforehand.build(module.step, options));
    });
  }

  async upTogether(versions: readonly number[], options: SqlRunOptions): Promise<void> {
    if (await this.#switched(versions, options)) return;
    const fold = foldSteps({ ...this.#options, versions });
    if (fold === null || fold.versions.length !== versions.length) {
      throw new RefusedError(`Cannot run the versions ${versions.join(", ")} as one`);
    }
    await this.#guard(async () => {
      await this.#beforehand.takeAway(null, options);
      await this.#folds.run(fold, options);
    });
  }

  async prepare(versions: readonly number[], options: SqlPrepareOptions): Promise<void> {
    await this.#guard(async () => {
      const preparation = preparationFor({ ...this.#options, versions });
      await this.#beforehand.takeAway(null, options);
      await this.#preparer.build(preparation, options);
    });
  }

  async abortPrepared(options: SqlRunOptions): Promise<boolean> {
    return await this.#guard(() => this.#preparer.abort(options));
  }

  /** Puts what is prepared in its place. @returns False where nothing is. @throws {RefusedError} When it is for other versions. */
  async #switched(versions: readonly number[], options: SqlRunOptions): Promise<boolean> {
    return await this.#guard(async () => {
      if (!await this.#preparer.isThere(this.#query)) return false;
      await this.#folds.switch(preparationFor({ ...this.#options, versions }), options);
      return true;
    });
  }

  /** @throws {RefusedError} When tables are watched for a change of their own. */
  async #assertNotPrepared(): Promise<void> {
    if (!await this.#guard(() => this.#preparer.isThere(this.#query))) return;
    throw new RefusedError("Cannot change single versions: the switch to the latest one is being prepared", {
      hint: hint`Go on with ${"apply"}, or take away what is prepared with ${"prepare --abort"}`,
    });
  }

  readonly #query: Query = (text, parameters) => this.#connection.query(text, parameters);

  async down(version: number, options: SqlRunOptions): Promise<void> {
    await this.#assertNotPrepared();
    await this.#guard(async () => {
      const detached = await findDetached(this.#query, this.#options.schemas[version - 1] ?? []);
      if (detached.length > 0) throw new BlockedError("take SQL steps back", detached);
      await this.#beforehand.takeAway(null, options);
      await this.#steps.run("down", this.#module(version), options);
    });
  }

  async force(version: number): Promise<void> {
    assertForceable(version, this.#options.steps.length);
    await this.#assertNotPrepared();
    await this.#guard(() =>
      this.#transactions.run(`version ${version}`, quiet(), (query) => this.#records.force(query, version))
    );
  }

  async cleanup(version: number, options: SqlRunOptions): Promise<number> {
    const { step } = this.#module(version);
    return await this.#guard(() => cleanUp(this.#transactions, this.#records, step, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#locked && !this.#connection.lost) {
        // What fails here ends with the connection, and so does the lock.
        await releaseAdvisoryLock(this.#connection.directly, this.#key).catch(() => {});
      }
    } finally {
      this.#locked = false;
      await this.#connection[Symbol.asyncDispose]();
    }
  }

  #module(version: number): StepModule {
    const module = this.#options.steps[version - 1];
    if (module === undefined) throw new RefusedError(`Cannot run SQL version ${version}: it is not known`);
    return module;
  }

  /** A dead connection took the lock along. */
  async #guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof StoreUnreachableError && this.#locked) {
        this.#locked = false;
        throw lost(error);
      }
      throw storeError(error, "Cannot change Postgres", whereOf(this.#options.sql.options));
    }
  }
}

/** How long a lock may be queued for beside an application at work, in milliseconds. */
const QUICK_MS = 250;

function quiet(): SqlRunOptions {
  return { signal: new AbortController().signal, beforeCommit: () => Promise.resolve() };
}

function lost(cause?: unknown): LockLostError {
  return new LockLostError("The connection to Postgres was lost, and the lock with it", {
    cause,
    hint: "What was not committed is undone: run the same command again",
  });
}
