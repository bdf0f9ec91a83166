import type { Sql } from "postgres";

export async function up(sql: Sql): Promise<void> {
  await sql`ALTER TABLE notes ADD COLUMN tags text[] NOT NULL DEFAULT '{}'`;
}

export async function down(sql: Sql): Promise<void> {
  await sql`ALTER TABLE notes DROP COLUMN tags`;
}
