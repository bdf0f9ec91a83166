/**
 * The log of an old Outpost in a Postgres, made anew for each of thousands of runs, and what is in it afterwards.
 *
 * @module
 */

import type postgres from "postgres";
import { fillLegacyLog } from "../support/legacy_postgres_data.ts";
import { bringToVersion } from "../support/outpost_database.ts";
import type { PostgresServer } from "../support/postgres.ts";

const TEMPLATE = "old_log";
/** Rows that the tool adds beside those of Outpost, and what tells them apart from run to run. */
const TABLES = {
  events: "to_jsonb(t)",
  attempts: "to_jsonb(t)",
  outpost_quarantine: "to_jsonb(t) - 'id' - 'quarantined_at'",
  schema_migrations: "to_jsonb(t)",
};

/** Databases that are all the same in the beginning. */
export class OldLogs implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #admin: postgres.Sql;
  #count = 0;

  private constructor(server: PostgresServer, admin: postgres.Sql) {
    this.#server = server;
    this.#admin = admin;
  }

  /** Makes the database that all are copies of. */
  static async prepare(server: PostgresServer): Promise<OldLogs> {
    const url = await server.createDatabase(TEMPLATE);
    await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 20, orphans: 2 }));
    return new OldLogs(server, server.client(url.replace(`/${TEMPLATE}`, "/postgres"), { max: 1 }));
  }

  /** Copies it. @returns The name of the copy. */
  async create(): Promise<string> {
    const name = `log_${++this.#count}`;
    await this.#admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    return name;
  }

  async drop(name: string): Promise<void> {
    await this.#admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
  }

  /** All rows that Outpost or the tool keeps, of tables that are there. */
  async rowsOf(name: string): Promise<Map<string, string>> {
    const sql = this.#server.client(`postgres://postgres@127.0.0.1:${this.#server.port}/${name}`, { max: 1 });
    try {
      const all = new Map<string, string>();
      for (const [table, row] of Object.entries(TABLES)) {
        const [found] = await sql`SELECT to_regclass(${table}) IS NOT NULL AS is_there`;
        if (!found!.is_there) continue;
        const rows = await sql.unsafe<{ row: string }[]>(
          `SELECT (${row})::text AS row FROM ${table} t ORDER BY 1`,
        );
        all.set(table, rows.map((one) => one.row).join("\n"));
      }
      return all;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.end({ timeout: 1 });
  }
}
