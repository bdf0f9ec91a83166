/**
 * Postgres as a store of the engine. Reading happens in read-only transactions, with SELECT rights alone; nothing is created.
 *
 * @module
 */

import type postgres from "postgres";
import type {
  MigrationInfo,
  SqlBackend,
  SqlDownPlan,
  SqlPlan,
  SqlSession,
  SqlState,
  SqlStepPlan,
  SqlVerification,
} from "../backend.ts";
import type { LockOwner } from "../lock/lock.ts";
import { migrationId } from "../migration.ts";
import { RefusedError, RegistryError } from "../errors.ts";
import { hint } from "../hint.ts";
import { checkSteps, type SqlStatement, type SqlStep, stepChecksum } from "../sql/step.ts";
import { ownTables, readBookkeeping } from "./bookkeeping.ts";
import type { Query } from "./query.ts";
import { compareSchema } from "./compare_schema.ts";
import { connectionError, isServerError, whereOf } from "./errors.ts";
import { readAdvisoryLockOwner } from "./lock.ts";
import type { PostgresOptions } from "./options.ts";
import { pinSchema } from "./pin_schema.ts";
import { PinnedConnection } from "./pinned_connection.ts";
import { Counter, planStep } from "./read_plan.ts";
import { readSchemaObjects } from "./schema_objects.ts";
import { PostgresSession } from "./session.ts";
import { readState } from "./state.ts";
import { assertTrusted, findUntrusted } from "./trusted_tables.ts";

export type { PostgresNames, PostgresOptions } from "./options.ts";

/**
 * Creates the backend. Nothing is connected yet.
 *
 * @throws {RegistryError} When steps or schemas have gaps.
 */
export function createPostgresBackend(options: PostgresOptions): SqlBackend {
  const steps = options.steps.map(({ step }) => step);
  checkSteps(steps);
  if (options.schemas.length !== steps.length) {
    throw new RegistryError(
      `Cannot use the Postgres steps: ${steps.length} steps, ${options.schemas.length} schemas`,
    );
  }
  return new PostgresBackend(options, steps);
}

class PostgresBackend implements SqlBackend {
  readonly migrations: readonly MigrationInfo[];
  readonly #options: PostgresOptions;
  readonly #steps: readonly SqlStep[];

  constructor(options: PostgresOptions, steps: readonly SqlStep[]) {
    this.#options = options;
    this.#steps = steps;
    this.migrations = steps.map((step) => ({
      id: migrationId("postgres", step.version, step.name),
      store: "postgres",
      version: step.version,
      name: step.name,
      description: step.description,
      checksum: stepChecksum(step),
    }));
  }

  async read(): Promise<SqlState> {
    return await this.#reading(
      "read the migrations in",
      (query) => readState(query, this.#steps, this.#options.names),
    );
  }

  async plan(versions: readonly number[]): Promise<SqlPlan> {
    return await this.#reading("plan the migration of", async (query, schema) => {
      await assertTrusted(query, schema, ownTables(this.#options.names, this.#steps));
      const { version } = await readBookkeeping(query, schema, this.#options.names);
      const counter = new Counter(query);
      const steps: SqlStepPlan[] = [];
      for (const wanted of versions) {
        const step = this.#step(wanted);
        if (step.version <= version) throw new RefusedError(`Cannot plan ${idOf(step)}: it is applied`);
        steps.push(
          await planStep(counter, step, await this.#upOf(query, step, version), step.forecast(version)),
        );
      }
      return { current: version, latest: this.#steps.length, steps };
    });
  }

  async planDown(count: number): Promise<SqlDownPlan> {
    return await this.#reading("plan the way back of", async (query, schema) => {
      await assertTrusted(query, schema, ownTables(this.#options.names, this.#steps));
      const { version } = await readBookkeeping(query, schema, this.#options.names);
      const lowest = Math.max(0, version - count);
      const going = this.#steps.slice(lowest, version).reverse();
      const counter = new Counter(query);
      const steps: SqlStepPlan[] = [];
      const warnings: string[] = [];
      for (const step of going) {
        const forecast = step.forecastDown(version);
        steps.push(await planStep(counter, step, step.down, forecast));
        for (const { text, rows } of forecast.warnings) {
          const found = await counter.rows(rows);
          if (rows === null || found > 0) warnings.push(rows === null ? text : `${found} ${text}`);
        }
      }
      return { steps, warnings };
    });
  }

  async planCleanup(version: number): Promise<{ readonly rows: number; readonly detail: string } | null> {
    const { remains } = this.#step(version);
    if (remains === undefined) return null;
    return await this.#reading("count what is left in", async (query, schema) => {
      await assertTrusted(query, schema, ownTables(this.#options.names, this.#steps));
      const [found] = await query<{ there: boolean }>("SELECT to_regclass($1::text) IS NOT NULL AS there", [
        remains.table,
      ]);
      const rows = found!.there ? await new Counter(query).rows(remains.count) : 0;
      return { rows, detail: remains.detail };
    });
  }

  async verify(): Promise<SqlVerification> {
    return await this.#reading("verify", async (query, schema) => {
      const { version, latest, dirty, ahead, drift, entries } = await readState(
        query,
        this.#steps,
        this.#options.names,
      );
      const tables = ownTables(this.#options.names, this.#steps);
      const issues = [...await findUntrusted(query, schema, tables), ...drift];
      if (dirty) issues.push(`Version ${version} was left dirty by another tool`);
      if (ahead) issues.push(`The database is at version ${version}: this program knows ${latest}`);
      const pending = entries.filter((entry) => entry.status === "pending" || entry.status === "failed");
      if (pending.length > 0) issues.push(`Pending: ${pending.map((entry) => entry.id).join(", ")}`);
      const expected = ahead || dirty ? undefined : this.#options.schemas[version - 1];
      if (expected !== undefined) {
        // An operator's own columns, and a way down and up again, move columns without harm.
        issues.push(...compareSchema(expected, await readSchemaObjects(query, schema), { anyOrder: "all" }));
      }
      return { ok: issues.length === 0, current: version, latest, dirty, issues };
    });
  }

  async connect(): Promise<SqlSession> {
    return new PostgresSession(await PinnedConnection.open(this.#options.sql), this.#options);
  }

  async lockOwner(): Promise<LockOwner | null> {
    const { names } = this.#options;
    return await this.#reading("read the lock in", async (query, schema, transaction) => {
      if (schema === null) return null;
      const [place] = await query<{ database: string }>("SELECT current_database() AS database");
      // On the connection in hand: a client of a single connection has no other.
      return await readAdvisoryLockOwner(
        transaction as unknown as postgres.Sql,
        names.lockKey(schema, place!.database),
      );
    });
  }

  /** The database itself refuses to write, and all queries see the same moment. */
  async #reading<T>(
    action: string,
    work: (query: Query, schema: string | null, transaction: postgres.TransactionSql) => Promise<T>,
  ): Promise<T> {
    const { sql, lease } = this.#options;
    try {
      return await sql.begin("isolation level repeatable read read only", async (transaction) => {
        const query: Query = (text, parameters = []) =>
          transaction.unsafe(text, [...parameters]) as Promise<never>;
        const { schema } = await pinSchema(query, "transaction");
        // A reader that freezes must not keep its locks, small as they are, from a step for ever.
        await query("SELECT set_config('idle_in_transaction_session_timeout', $1::text, true)", [
          String(lease.ttlMs),
        ]);
        return await work(query, schema, transaction);
      }) as T;
    } catch (error) {
      const known = connectionError(error, `Cannot ${action} Postgres`, whereOf(sql.options));
      if (!isServerError(known)) throw known;
      throw new RefusedError(`Cannot ${action} Postgres: ${known.message}`, {
        cause: known,
        hint: hint`The tables are not what the recorded version says: see what differs with ${"verify"}`,
      });
    }
  }

  /** The statements that would run. Which variant a later step takes is known only when its turn comes: the first is shown. */
  async #upOf(query: Query, step: SqlStep, current: number): Promise<readonly SqlStatement[]> {
    for (const variant of step.variants ?? []) {
      if (current < step.version - 1) return variant.up;
      const [answer] = await query<Record<string, boolean>>(variant.when);
      if (answer !== undefined && Object.values(answer)[0] === true) return variant.up;
    }
    return step.up;
  }

  #step(version: number): SqlStep {
    const step = this.#steps[version - 1];
    if (step === undefined) throw new RefusedError(`Cannot find SQL version ${version}: it is not known`);
    return step;
  }
}

function idOf(step: SqlStep): string {
  return migrationId("postgres", step.version, step.name);
}
