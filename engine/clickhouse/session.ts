/**
 * Runs steps in ClickHouse, which has neither transactions nor locks: each step is recorded before and after, each of its
 * statements stands being repeated, and the lease in Redis keeps others away.
 *
 * @module
 */

import type { SqlRunOptions, SqlSession } from "../sql_backend.ts";
import { BlockedError, MigrationError, RefusedError } from "../errors.ts";
import { forecastDownOf, runModule } from "../sql/own_step.ts";
import { StepFailedError } from "../sql/step_failed_error.ts";
import { migrationId } from "../migration.ts";
import { assertForceable, assertNext } from "../sql/standing.ts";
import { type SqlStep, stepChecksum, type StepModule } from "../sql/step.ts";
import type { SqlStatement } from "../sql/statement.ts";
import {
  appendHistory,
  appendVersion,
  type ClickHouseTables,
  createTables,
  type HistoryRow,
  nextSequence,
  type Recorder,
} from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";
import { findDependants } from "./dependants.ts";
import { connectionError, toldByClickHouse } from "./errors.ts";
import type { ClickHouseTable } from "./schema.ts";
import { readStanding } from "./standing.ts";
import { runStatement } from "./statements.ts";

/** What a session works with. */
export interface ClickHouseSessionOptions {
  readonly client: ClickHouseClient;
  readonly steps: readonly StepModule[];
  /** The tables after each version. */
  readonly schemas: readonly (readonly ClickHouseTable[])[];
  readonly tables: ClickHouseTables;
  readonly recorder: Recorder;
  /** Writes a statement for where it is to run. */
  readonly expand: (statement: string) => string;
  /** What stands before the name of every table of the application. */
  readonly prefix: string;
}

/** The session of {@linkcode createClickHouseBackend}. */
export class ClickHouseSession implements SqlSession {
  readonly #options: ClickHouseSessionOptions;
  /** The newest that was written. */
  #sequence = "";

  constructor(options: ClickHouseSessionOptions) {
    this.#options = options;
  }

  /** There are no transactions and no locks: the lease in Redis is all there is. */
  guards(): boolean {
    return false;
  }

  tryLock(): Promise<null> {
    return Promise.resolve(null);
  }

  async ping(): Promise<void> {
    const { success } = await this.#options.client.ping();
    // A server that is away for a moment holds no lock of ours that could be lost; the next statement tells.
    void success;
  }

  async up(version: number, options: SqlRunOptions): Promise<void> {
    await this.#run("up", version, options);
  }

  upTogether(versions: readonly number[]): Promise<void> {
    return Promise.reject(
      new RefusedError(`Cannot run the versions ${versions.join(", ")} as one in ClickHouse`),
    );
  }

  async down(version: number, options: SqlRunOptions): Promise<void> {
    await this.#run("down", version, options);
  }

  async force(version: number): Promise<void> {
    const { client, steps, tables, expand } = this.#options;
    assertForceable(version, steps.length);
    await this.#asked(`Cannot force version ${version} in ClickHouse`, async () => {
      await createTables(client, tables, expand);
      const sequence = await this.#nextSequence();
      await appendVersion(client, tables, { version, dirty: false, sequence });
      await this.#note("forced", { version, name: "", checksum: "", sequence, durationMs: 0 });
    });
  }

  /** No step of this store leaves anything behind. */
  cleanup(): Promise<number> {
    return Promise.resolve(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #run(direction: "up" | "down", version: number, options: SqlRunOptions): Promise<void> {
    const { client, steps, tables } = this.#options;
    const module = steps[version - 1];
    if (module === undefined) {
      throw new RefusedError(`Cannot run ClickHouse version ${version}: it is not known`);
    }
    const { step } = module;
    await this.#asked(`Cannot run ${migrationId("clickhouse", version, step.name)}`, async () => {
      assertNext("clickhouse", step, direction, await readStanding(client, tables, ""));
      if (direction === "down") await this.#assertUnused(step);
      await this.#recorded(direction, step, options);
    });
  }

  /** What is planned may be long ago, or was not asked for. @throws {BlockedError} When something hangs on what would go. */
  async #assertUnused(step: SqlStep): Promise<void> {
    const { client, prefix, schemas } = this.#options;
    const id = migrationId("clickhouse", step.version, step.name);
    const changes = (forecastDownOf(step, step.version, id).changes ?? []).map((change) => ({
      ...change,
      step: id,
    }));
    const blockers = await findDependants(client, changes, prefix, schemas.flat());
    if (blockers.length > 0) throw new BlockedError("take SQL steps back", blockers);
  }

  async #recorded(direction: "up" | "down", step: SqlStep, options: SqlRunOptions): Promise<void> {
    const { client, tables, steps, expand } = this.#options;
    const { version, name } = step;
    const target = direction === "up" ? version : version - 1;
    const startedAt = performance.now();
    const row = { version, name, checksum: stepChecksum(step) };
    await createTables(client, tables, expand);
    await options.beforeCommit();
    // The history first: a crash between the two leaves a clean version, and one after them a dirty one known as ours.
    const sequence = await this.#nextSequence();
    await this.#note(direction === "up" ? "started" : "taking_back", { ...row, sequence, durationMs: 0 });
    await appendVersion(client, tables, { version: target, dirty: true, sequence });
    await runModule(steps[version - 1]!, direction, migrationId("clickhouse", version, name), {
      run: async (_step, asked) => {
        const statements = step[asked];
        for (const [index, statement] of statements.entries()) {
          options.signal.throwIfAborted();
          await options.beforeCommit();
          options.onStatement?.(index, statements.length, statement.text);
          await this.#execute(step, statement, options);
        }
      },
    });
    await options.beforeCommit();
    const done = await this.#nextSequence();
    await appendVersion(client, tables, { version: target, dirty: false, sequence: done });
    const durationMs = performance.now() - startedAt;
    await this.#note(direction === "up" ? "applied" : "taken_back", { ...row, sequence: done, durationMs });
  }

  async #execute(step: SqlStep, statement: SqlStatement, options: SqlRunOptions): Promise<void> {
    try {
      await runStatement(this.#options, statement, options);
    } catch (error) {
      if (options.signal.aborted) throw error;
      const known = connectionError(
        error,
        `Cannot run ${migrationId("clickhouse", step.version, step.name)}`,
      );
      if (known instanceof MigrationError || !(known instanceof Error)) throw known;
      const id = migrationId("clickhouse", step.version, step.name);
      throw new StepFailedError(`Cannot run ${id} (${step.name}): ${toldByClickHouse(known)}`, {
        id,
        statement: this.#options.expand(statement.text),
        position: null,
        serverCode: "code" in known ? String(known.code) : null,
        detail: null,
        serverHint: null,
      }, {
        cause: known,
        hint: "Remove the cause and apply again: the step continues, each of its statements may be repeated",
      });
    }
  }

  async #nextSequence(): Promise<string> {
    const { client, tables } = this.#options;
    return this.#sequence = await nextSequence(client, tables, this.#sequence);
  }

  async #note(
    state: HistoryRow["state"],
    row: Omit<HistoryRow, "at" | "state"> & { readonly durationMs: number },
  ): Promise<void> {
    const { client, tables, recorder } = this.#options;
    await appendHistory(client, tables, recorder, { ...row, state });
  }

  async #asked<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw connectionError(error, action);
    }
  }
}
