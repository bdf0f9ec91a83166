/**
 * Postgres as a store of the engine. Reading happens in read-only transactions, with SELECT rights alone; nothing is created.
 *
 * @module
 */

import type postgres from "postgres";
import type { SqlBackend, SqlSession } from "../backend.ts";
import { RefusedError } from "../errors.ts";
import { hint } from "../hint.ts";
import type { LockOwner } from "../lock/lock.ts";
import { StepBackend, type StepStore, type StoreView } from "../sql/step_backend.ts";
import { ownTables } from "./bookkeeping.ts";
import { compareSchema } from "./compare_schema.ts";
import { countWith } from "./counter.ts";
import { connectionError, isServerError, whereOf } from "./errors.ts";
import { readAdvisoryLockOwner } from "./lock.ts";
import type { PostgresOptions } from "./options.ts";
import { pinSchema } from "./pin_schema.ts";
import { PinnedConnection } from "./pinned_connection.ts";
import type { Query } from "./query.ts";
import { readSchemaObjects } from "./schema_objects.ts";
import { PostgresSession } from "./session.ts";
import { readStanding } from "./standing.ts";
import { assertTrusted, findUntrusted } from "./trusted_tables.ts";

export type { PostgresNames, PostgresOptions } from "./options.ts";

/**
 * Creates the backend. Nothing is connected yet.
 *
 * @throws {RegistryError} When steps or schemas have gaps.
 */
export function createPostgresBackend(options: PostgresOptions): SqlBackend {
  return new StepBackend(new PostgresStore(options));
}

class PostgresStore implements StepStore {
  readonly name = "postgres";
  readonly #options: PostgresOptions;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  get steps() {
    return this.#options.steps;
  }

  get schemas() {
    return this.#options.schemas;
  }

  get directory() {
    return this.#options.stepsDirectory;
  }

  async read<T>(action: string, work: (view: StoreView) => Promise<T>): Promise<T> {
    const { names, schemas } = this.#options;
    const steps = this.#options.steps.map(({ step }) => step);
    const own = ownTables(names, steps);
    return await this.#reading(action, (query, schema) =>
      work({
        assertTrusted: () => assertTrusted(query, schema, own),
        untrusted: () => findUntrusted(query, schema, own),
        counter: countWith(query),
        standing: () => readStanding(query, schema, names, steps),
        async holds(question) {
          const [answer] = await query<Record<string, boolean>>(question);
          return answer !== undefined && Object.values(answer)[0] === true;
        },
        async hasTable(name) {
          const [found] = await query<{ there: boolean }>(
            "SELECT to_regclass($1::text) IS NOT NULL AS there",
            [
              name,
            ],
          );
          return found!.there;
        },
        // An operator's own columns, and a way down and up again, move columns without harm.
        differences: async (version) =>
          compareSchema(schemas[version - 1]!, await readSchemaObjects(query, schema), { anyOrder: "all" }),
      }));
  }

  expand(text: string): string {
    return text;
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
}
