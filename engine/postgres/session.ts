/**
 * The connection that writes: it holds the advisory lock, and every step runs on it.
 *
 * @module
 */

import type { SqlPrepareOptions, SqlRunOptions, SqlSession } from "../sql_backend.ts";
import { LockLostError, RefusedError, StoreUnreachableError } from "../errors.ts";
import type { LockOwner } from "../lock/lock.ts";
import { migrationId } from "../migration.ts";
import { assertForceable } from "../sql/standing.ts";
import type { SqlStep, StepModule } from "../sql/step.ts";
import { storeError, whereOf } from "./errors.ts";
import { confirmAdvisoryLock, releaseAdvisoryLock, tryAdvisoryLock } from "./lock.ts";
import type { PostgresOptions } from "./options.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { StepRecords } from "./step_records.ts";
import { assertShown, chooseUp } from "./chosen_way.ts";
import { type RunStatements, TransactionRunner } from "./transaction.ts";
import { runOutsideTransaction } from "./concurrent_step.ts";
import { foldAlone, foldSteps } from "./fold.ts";
import { findOwnWork } from "./foldable.ts";
import { BY_EXCHANGE, type Fold } from "../sql/rewrite.ts";
import { type Query, tableExists } from "./query.ts";
import { readBookkeeping } from "./bookkeeping.ts";
import { hint } from "../hint.ts";
import { describePreparation, type Preparation, preparationName } from "./prepare/describe.ts";
import { triggersOf } from "./prepare/notes.ts";
import { Preparer } from "./prepare/preparer.ts";
import { switchOf } from "./prepare/switch.ts";

/** A session over one connection. Made by the backend's `connect()`. */
export class PostgresSession implements SqlSession {
  readonly #connection: PinnedConnection;
  readonly #options: PostgresOptions;
  readonly #key: bigint;
  readonly #transactions: TransactionRunner;
  readonly #records: StepRecords;
  readonly #quick: TransactionRunner;
  readonly #preparer: Preparer;
  #locked = false;

  constructor(connection: PinnedConnection, options: PostgresOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#key = options.names.lockKey(connection.schema, connection.database);
    this.#transactions = new TransactionRunner(connection, options);
    this.#records = new StepRecords(connection.schema, options);
    // The application is at work: where its transactions and this one wait for each other, this one must step back before the
    // server, after a second, finds a deadlock and ends one of them.
    const { lockTimeoutMs = QUICK_MS, lockRetries = 10 } = options;
    this.#quick = new TransactionRunner(connection, {
      ...options,
      lockTimeoutMs: lockTimeoutMs === 0 ? QUICK_MS : Math.min(lockTimeoutMs, QUICK_MS),
      lockRetries: lockRetries * 3,
    });
    this.#preparer = new Preparer({
      transactions: this.#quick,
      schema: connection.schema,
      name: preparationName(options.tool),
      tool: options.tool,
      assertTrusted: (query) => this.#records.assertTrusted(query),
      version: async (query) => (await readBookkeeping(query, connection.schema, options.names)).version,
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
    const preparation = await this.#prepared([version]);
    const fold = preparation === null
      ? foldAlone({ ...this.#options, step: module.step })
      : switchOf(preparation);
    if (fold === null) await this.#run("up", module, options);
    else await this.#runFold(fold, preparation, options);
  }

  async upTogether(versions: readonly number[], options: SqlRunOptions): Promise<void> {
    const preparation = await this.#prepared(versions);
    const fold = preparation === null ? foldSteps({ ...this.#options, versions }) : switchOf(preparation);
    if (fold === null || fold.versions.length !== versions.length) {
      throw new RefusedError(`Cannot run the versions ${versions.join(", ")} as one`);
    }
    await this.#runFold(fold, preparation, options);
  }

  async prepare(versions: readonly number[], options: SqlPrepareOptions): Promise<void> {
    await this.#guard(() => this.#preparer.build(this.#describe(versions), options));
  }

  async abortPrepared(options: SqlRunOptions): Promise<boolean> {
    return await this.#guard(() => this.#preparer.abort(options));
  }

  /** What is prepared for these versions, or null where nothing is prepared. @throws {RefusedError} When it is for others. */
  async #prepared(versions: readonly number[]): Promise<Preparation | null> {
    return await this.#guard(() => this.#preparer.isThere(this.#query)) ? this.#describe(versions) : null;
  }

  #describe(versions: readonly number[]): Preparation {
    const preparation = describePreparation({ ...this.#options, versions });
    if (preparation !== null && preparation.versions.length === versions.length) return preparation;
    const names = versions.map((version) => idOf(this.#module(version).step)).join(", ");
    const before = preparation === null ? [] : versions.slice(0, versions.indexOf(preparation.versions[0]!));
    throw new RefusedError(
      `Cannot prepare ${names} together: no row is written anew for ${
        before.length === 0 ? "them" : "the first"
      }`,
      {
        hint: before.length === 0
          ? hint`Nothing of it takes long: ${"apply"} does it`
          : hint`Do first what takes no time: ${`apply ${
            before.map((version) => idOf(this.#module(version).step)).join(" ")
          }`}`,
      },
    );
  }

  /** @throws {RefusedError} When tables are watched for a change of their own. */
  async #assertNotPrepared(): Promise<void> {
    if (!await this.#guard(() => this.#preparer.isThere(this.#query))) return;
    throw new RefusedError("Cannot change single versions: the switch to the latest one is being prepared", {
      hint: hint`Go on with ${"apply"}, or take away what is prepared with ${"prepare --abort"}`,
    });
  }

  readonly #query: Query = (text, parameters) => this.#connection.query(text, parameters);

  /** All steps and their records, or none. A step alone runs by its own statements where its tables cannot be made anew. */
  async #runFold(fold: Fold, preparation: Preparation | null, options: SqlRunOptions): Promise<void> {
    const modules = fold.versions.map((version) => this.#module(version));
    const [first, last] = [modules[0]!, modules.at(-1)!];
    const name = first === last ? idOf(first.step) : `${idOf(first.step)} to ${idOf(last.step)}`;
    let [at, count] = [0, 0];
    const counted = {
      ...options,
      onStatement: (_index: number, _count: number, text: string) => options.onStatement?.(at++, count, text),
    };
    const transactions = preparation === null ? this.#transactions : this.#quick;
    await this.#guard(async () => {
      if (preparation !== null) await this.#preparer.catchUp(preparation, options);
      await transactions.run(name, counted, async (query, run) => {
        const begun = performance.now();
        await this.#records.prepare(query, first.step, "up");
        const anew = first !== last || preparation !== null ||
          (await this.#findOwnWork(query, fold)).length === 0;
        if (first === last) assertShown(first.step, options.variant, anew ? BY_EXCHANGE : "");
        const { before, after } = anew ? fold : { before: [], after: [] };
        count = [before, after, ...modules.map(({ step }) => step.up)].flat().length;
        at = 0;
        if (anew) await this.#makeAnew(query, run, fold, preparation);
        // Readers wait from here on: the books are written once everything is done.
        for (const { up } of modules) await up({ run: (given) => run(given.up) });
        await run(after);
        for (const { step } of modules) {
          await this.#records.finish(query, step, "up", performance.now() - begun);
        }
        if (preparation !== null) await this.#preparer.clear(query);
      });
    });
  }

  /** What would be lost with the tables that are made anew. */
  async #findOwnWork(query: Query, { versions, tables }: Fold): Promise<readonly string[]> {
    const expected = this.#options.schemas[versions[0]! - 2]!;
    const triggers = triggersOf(preparationName(this.#options.tool));
    return await findOwnWork(query, this.#connection.schema, expected, tables, triggers);
  }

  /** What comes before the steps; under each lock it is looked again whether anything would be lost. */
  async #makeAnew(
    query: Query,
    run: RunStatements,
    fold: Fold,
    preparation: Preparation | null,
  ): Promise<void> {
    for (const statement of fold.before) {
      await run([statement]);
      if (statement.locks === undefined) continue;
      const own = await this.#findOwnWork(query, fold);
      if (preparation !== null && statement === fold.before[0]) {
        await this.#preparer.finish(query, preparation);
      }
      if (own.length === 0) continue;
      throw new RefusedError(`Cannot make the tables anew: ${own.join("; ")}`, {
        hint: preparation === null
          ? "Run the same command again: they are then changed in place, step by step"
          : hint`Remove it, or do without what is prepared: ${"apply --no-prepared"}`,
      });
    }
  }

  async down(version: number, options: SqlRunOptions): Promise<void> {
    await this.#assertNotPrepared();
    await this.#run("down", this.#module(version), options);
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
    const { remains } = step;
    if (remains === undefined) return 0;
    let deleted = 0;
    await this.#guard(() =>
      this.#transactions.run(idOf(step), options, async (query) => {
        if (!await tableExists(query, remains.table)) return;
        await this.#records.assertTrusted(query);
        // Only a run that holds the lock writes there: what is counted is what goes.
        const [count] = await query<Record<string, string>>(remains.count);
        deleted = Number(Object.values(count!)[0]);
        for (const statement of remains.delete) await query(statement);
      })
    );
    return deleted;
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

  async #run(
    direction: "up" | "down",
    { step, up, down }: StepModule,
    options: SqlRunOptions,
  ): Promise<void> {
    const action = direction === "up" ? up : down;
    await this.#guard(() =>
      step.transactional
        ? this.#inTransaction(direction, step, action, options)
        : this.#outside(direction, step, action, options)
    );
  }

  /** The step and its record, or neither. */
  async #inTransaction(
    direction: "up" | "down",
    step: SqlStep,
    action: StepModule["up"],
    options: SqlRunOptions,
  ): Promise<void> {
    await this.#transactions.run(idOf(step), options, async (query, statements) => {
      const begun = performance.now();
      await this.#records.prepare(query, step, direction);
      await action({
        run: async (given, way) =>
          await statements(way === "up" ? await chooseUp(query, given, options.variant) : given.down),
        lend: (work) => this.#connection.lend(work, options.signal),
      });
      await this.#records.finish(query, step, direction, performance.now() - begun);
    });
  }

  /** Recorded as begun, run, recorded as done: whatever cuts it off, the next run finds it begun and does the rest. */
  async #outside(
    direction: "up" | "down",
    step: SqlStep,
    action: StepModule["up"],
    options: SqlRunOptions,
  ): Promise<void> {
    const begun = performance.now();
    await this.#transactions.run(idOf(step), options, async (query) => {
      await this.#records.prepare(query, step, direction);
      await this.#records.begin(query, step, direction);
    });
    await action({
      run: (given, way) => runOutsideTransaction(this.#connection, this.#options, given, way, options),
    });
    await this.#transactions.run(
      idOf(step),
      options,
      (query) => this.#records.finish(query, step, direction, performance.now() - begun),
    );
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

function idOf(step: SqlStep): string {
  return migrationId("postgres", step.version, step.name);
}

function quiet(): SqlRunOptions {
  return { signal: new AbortController().signal, beforeCommit: () => Promise.resolve() };
}

function lost(cause?: unknown): LockLostError {
  return new LockLostError("The connection to Postgres was lost, and the lock with it", {
    cause,
    hint: "What was not committed is undone: run the same command again",
  });
}
