import { createPostgresBackend } from "../../engine/postgres/backend.ts";
import { golangMigrateLockKey } from "../../engine/postgres/lock.ts";
import { readSchemaObjects, type SchemaObjects } from "../../engine/postgres/schema_objects.ts";
import { startPostgres } from "../support/postgres.ts";
import { queryThrough } from "../../engine/postgres/query.ts";
import { sqlContract } from "./sql_contract.ts";

Deno.test("Postgres keeps the contract of SQL stores", async (t) => {
  await using server = await startPostgres();
  await sqlContract(t, {
    store: "postgres",
    locks: true,
    create: (name) => `CREATE TABLE IF NOT EXISTS ${name} (n int)`,
    async database() {
      const sql = server.client(await server.createDatabase(), { max: 3 });
      const readSchema = async () =>
        (await readSchemaObjects(
          queryThrough(sql),
          "public",
        )).filter(({ name }) => ["one", "two", "three"].includes(name));
      return {
        backend: (steps, schemas) =>
          createPostgresBackend({
            sql,
            steps,
            directory: null,
            schemas: schemas as readonly SchemaObjects[],
            names: {
              bookkeepingTable: "versions",
              historyTable: "history",
              lockKey: (schema, database) => golangMigrateLockKey(schema, "versions", database),
            },
            tool: { name: "contract", version: "1", who: "t@h" },
            lease: { lockName: "lock", ttlMs: 30_000 },
          }),
        async run(statement) {
          await sql.unsafe(statement);
        },
        async tables() {
          const rows = await sql<{ name: string }[]>`SELECT tablename AS name FROM pg_tables
            WHERE schemaname = 'public' ORDER BY 1`;
          return rows.map(({ name }) => name);
        },
        readSchema,
        async record(version, dirty) {
          await sql`DELETE FROM versions`;
          await sql`INSERT INTO versions (version, dirty) VALUES (${version}, ${dirty})`;
        },
      };
    },
  });
});
