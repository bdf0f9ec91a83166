import type { Sql } from "postgres";

export async function up(sql: Sql): Promise<void> {
  await sql`CREATE TABLE notes (id text PRIMARY KEY, body text NOT NULL)`;
}

export async function down(sql: Sql): Promise<void> {
  await sql`DROP TABLE notes`;
}
