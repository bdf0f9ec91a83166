/**
 * The ClickHouse store: what its bookkeeping says, what would be done, whether the schema is what it should be.
 *
 * @module
 */

import type {
  SqlBackend,
  SqlConsequence,
  SqlDownPlan,
  SqlPlan,
  SqlState,
  SqlStepPlan,
  SqlTablePlan,
  SqlVerification,
} from "../backend.ts";
import { type MigrationEntry, migrationId } from "../migration.ts";
import {
  checkSteps,
  type ConsequenceQuery,
  type SqlStatement,
  type SqlStep,
  stepChecksum,
  type StepModule,
  type TableUse,
} from "../sql/step.ts";
import {
  type ClickHouseTables,
  quoteName,
  readHistory,
  readVersion,
  type Recorder,
  select,
} from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";
import { connectionError } from "./errors.ts";
import { type ClickHouseTable, compareTables, readTables } from "./schema.ts";
import { ClickHouseSession } from "./session.ts";
import { findDrift, resumable } from "./standing.ts";

/** What the backend works with. */
export interface ClickHouseBackendOptions {
  /** Owned by the caller. */
  readonly client: ClickHouseClient;
  /** The steps, in order. `{{name}}` in their texts stands for a table. */
  readonly steps: readonly StepModule[];
  /** Folder of the step modules, or null where there is none. */
  readonly stepsDirectory: string | null;
  /** Names of the tool's tables, prefix included. */
  readonly tables: ClickHouseTables;
  /** What stands before the name of every table of the application; empty for nothing. */
  readonly prefix: string;
  /** The tables after each version, without the prefix: `schemas[0]` are those of version 1. */
  readonly schemas: readonly (readonly ClickHouseTable[])[];
  readonly recorder: Recorder;
  /** What tells this database from another, without secrets, for example host and database. */
  readonly identity: string;
}

/**
 * Creates the backend. Nothing is contacted yet.
 *
 * @throws {RegistryError} When the steps have gaps, repeats or empty ones.
 */
export function createClickHouseBackend(options: ClickHouseBackendOptions): SqlBackend {
  checkSteps(options.steps.map(({ step }) => step));
  return new ClickHouseBackend(options);
}

class ClickHouseBackend implements SqlBackend {
  readonly migrations;
  readonly #options: ClickHouseBackendOptions;
  readonly #steps: readonly SqlStep[];

  constructor(options: ClickHouseBackendOptions) {
    this.#options = options;
    this.#steps = options.steps.map(({ step }) => step);
    this.migrations = this.#steps.map((step) => ({
      id: migrationId("clickhouse", step.version, step.name),
      store: "clickhouse" as const,
      version: step.version,
      name: step.name,
      description: step.description,
      checksum: stepChecksum(step),
    }));
  }

  async read(): Promise<SqlState> {
    return await this.#asked("Cannot read the migrations in ClickHouse", async () => {
      const { client, tables } = this.#options;
      const [recorded, history] = await Promise.all([
        readVersion(client, tables),
        readHistory(client, tables),
      ]);
      const cutOff = resumable(recorded, history);
      const version = cutOff?.from ?? recorded.version;
      const dirty = recorded.dirty && cutOff === null;
      const entries = this.migrations.map((migration): MigrationEntry => {
        const applied = history.findLast((row) =>
          row.version === migration.version && row.state === "applied"
        );
        const base = { ...migration, reason: null, appliedAt: null };
        if (cutOff?.step === migration.version) {
          return { ...base, status: "failed", reason: "Its run was cut off; apply continues it" };
        }
        if (dirty && migration.version === recorded.version) {
          return { ...base, status: "dirty", reason: "Another tool failed in the middle of it" };
        }
        if (migration.version > version) return { ...base, status: "pending" };
        return { ...base, status: "applied", appliedAt: applied?.at ?? null };
      });
      const latest = this.#steps.length;
      const drift = findDrift(version, history, this.#steps);
      return {
        version,
        latest,
        dirty,
        ahead: version > latest,
        entries,
        drift,
        identity: this.#options.identity,
      };
    });
  }

  async plan(versions: readonly number[]): Promise<SqlPlan> {
    const { version, latest } = await this.read();
    const steps = [];
    for (const step of this.#steps.filter((one) => versions.includes(one.version))) {
      steps.push(await this.#planStep(step, step.up, step.forecast(version)));
    }
    return { current: version, latest, steps };
  }

  async planDown(steps: number): Promise<SqlDownPlan> {
    const { version } = await this.read();
    const planned: SqlStepPlan[] = [];
    const warnings: string[] = [];
    for (const step of this.#steps.slice(Math.max(0, version - steps), version).toReversed()) {
      const forecast = step.forecastDown(version);
      planned.push(await this.#planStep(step, step.down, forecast));
      for (const { text, rows } of forecast.warnings) {
        const count = rows === null ? null : await this.#count(rows);
        if (count !== 0) {
          warnings.push(`clickhouse/${step.name}: ${count === null ? "" : `${count} `}${text}`);
        }
      }
    }
    return { steps: planned, warnings };
  }

  planCleanup(): Promise<null> {
    return Promise.resolve(null); // No step of this store leaves anything behind.
  }

  async verify(): Promise<SqlVerification> {
    const state = await this.read();
    const issues: string[] = [...state.drift];
    if (state.dirty) {
      issues.push(`Version ${state.version} is dirty: another tool failed in the middle of it`);
    }
    for (const { id, status, reason } of state.entries) {
      if (status === "pending") issues.push(`${id} is pending`);
      else if (status === "failed") issues.push(`${id} is not complete: ${reason}`);
    }
    if (!state.ahead) issues.push(...await this.#differences(state.version));
    return {
      ok: issues.length === 0,
      current: state.version,
      latest: state.latest,
      dirty: state.dirty,
      issues,
    };
  }

  connect(): Promise<ClickHouseSession> {
    const { client, steps, stepsDirectory, tables, recorder } = this.#options;
    return Promise.resolve(
      new ClickHouseSession({
        client,
        steps,
        stepsDirectory,
        tables,
        recorder,
        read: () => this.read(),
        expand: (statement) => this.#expand(statement),
        prefix: this.#options.prefix,
      }),
    );
  }

  lockOwner(): Promise<null> {
    return Promise.resolve(null); // ClickHouse has no locks: the lease in Redis guards it.
  }

  async #differences(version: number): Promise<string[]> {
    const { client, prefix, schemas } = this.#options;
    const expected = (schemas[version - 1] ?? []).map((table) => ({ ...table, name: prefix + table.name }));
    return await this.#asked(
      "Cannot read the schema of ClickHouse",
      async () => compareTables(expected, await readTables(client, expected.map(({ name }) => name))),
    );
  }

  async #planStep(
    step: SqlStep,
    statements: readonly SqlStatement[],
    forecast: { readonly tables: readonly TableUse[]; readonly consequences: readonly ConsequenceQuery[] },
  ): Promise<SqlStepPlan> {
    const tables: SqlTablePlan[] = [];
    for (const { name, storedAs, rows, lock, rewrite } of forecast.tables) {
      const bytes = storedAs === null ? 0 : await this.#bytes(storedAs);
      tables.push({ name, rows: rows === null ? 0 : await this.#count(rows), bytes, lock, rewrite });
    }
    const consequences: SqlConsequence[] = [];
    for (const { rows, ...consequence } of forecast.consequences) {
      consequences.push({ ...consequence, rows: rows === null ? 0 : await this.#count(rows) });
    }
    const { name, description } = step;
    return {
      id: migrationId("clickhouse", step.version, name),
      name,
      description,
      statements: statements.map(({ text }) => this.#expand(text)),
      tables,
      consequences,
    };
  }

  async #count(query: string): Promise<number> {
    const [row] = await this.#select<Record<string, string | number>>(this.#expand(query));
    return Number(Object.values(row ?? {})[0] ?? 0);
  }

  async #bytes(table: string): Promise<number> {
    const [row] = await this.#select<{ bytes: string | number }>(
      "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase() AND table = {name:String}",
      { name: this.#options.prefix + table },
    );
    return Number(row?.bytes ?? 0);
  }

  async #select<Row>(query: string, parameters: Record<string, unknown> = {}): Promise<Row[]> {
    return await this.#asked(
      "Cannot plan in ClickHouse",
      () => select<Row>(this.#options.client, query, parameters),
    );
  }

  /** Puts the quoted names of tables in place of `{{name}}`, and within a text, `'{{name:name}}'`, the names as they are. */
  #expand(text: string): string {
    return text.replaceAll(
      /\{\{(\w+)(:name)?\}\}/g,
      (_all, name, bare) =>
        bare === undefined ? quoteName(this.#options.prefix + name) : this.#options.prefix + name,
    );
  }

  async #asked<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw connectionError(error, action);
    }
  }
}
