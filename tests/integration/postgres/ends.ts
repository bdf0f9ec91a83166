/**
 * What two databases that reached the same version in different ways must have in common.
 *
 * @module
 */

import { assert } from "@std/assert";
import type postgres from "postgres";
import { postgresFolders, type PostgresServer } from "../../support/postgres.ts";
import { findProgram } from "../../support/server.ts";

/** The schema as the server's own program writes it. */
export async function dump(server: PostgresServer, database: string): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command(
    findProgram("pg_dump", "postgresql", postgresFolders()),
    {
      args: ["--schema-only", "--no-comments", `postgres://postgres@127.0.0.1:${server.port}/${database}`],
      env: { TZ: "UTC" },
    },
  ).output();
  assert(success, new TextDecoder().decode(stderr)); // An older one than the server refuses: the newest on PATH reads them all.
  // Newer servers write a random word.
  return new TextDecoder().decode(stdout).replaceAll(/^\\(un)?restrict .*$/gm, "");
}

/** What is NOT NULL has a name as well on newer servers, whatever `pg_dump` is at hand. */
export const constraints = async (sql: postgres.Sql) =>
  (await sql`SELECT conrelid::regclass::text || ' ' || conname AS name FROM pg_constraint
              WHERE connamespace = 'public'::regnamespace ORDER BY 1`).map(({ name }) => name);

/** Version and history, but for when and how long. */
export async function books(sql: postgres.Sql): Promise<unknown> {
  return [
    [...await sql`SELECT * FROM schema_migrations`],
    [
      ...await sql`SELECT version, id, name, checksum, status, applied_by, applied_at IS NOT NULL AS timed, tool_version
                    FROM outpost_migrations ORDER BY id`,
    ],
  ];
}

/** What is kept aside. */
export const quarantine = async (sql: postgres.Sql) => [
  ...await sql`SELECT migration, source_table, row::text FROM outpost_quarantine ORDER BY 2, 3`,
];
