import { createClickHouseBackend } from "../../engine/clickhouse/backend.ts";
import { type ClickHouseTable, readTables } from "../../engine/clickhouse/schema.ts";
import { startClickHouse } from "../support/clickhouse.ts";
import { sqlContract } from "./sql_contract.ts";

Deno.test("ClickHouse keeps the contract of SQL stores", async (t) => {
  await using server = await startClickHouse();
  await sqlContract(t, {
    store: "clickhouse",
    locks: false,
    create: (name) => `CREATE TABLE IF NOT EXISTS ${name} (n Int32) ENGINE = MergeTree ORDER BY n`,
    async database() {
      const { client } = await server.createDatabase();
      const tables = async () => {
        const found = await client.query({ query: "SHOW TABLES", format: "JSONEachRow" });
        return (await found.json<{ name: string }>()).map(({ name }) => name);
      };
      return {
        backend: (steps, schemas) =>
          createClickHouseBackend({
            client,
            steps,
            directory: null,
            schemas: schemas as readonly (readonly ClickHouseTable[])[],
            tables: { bookkeeping: "versions", history: "history" },
            prefix: "",
            recorder: { who: "t@h", toolVersion: "1" },
            cluster: null,
            identity: "contract",
          }),
        async run(statement) {
          await client.command({ query: statement });
        },
        tables,
        readSchema: async () =>
          await readTables(client, (await tables()).filter((name) => ["one", "two", "three"].includes(name))),
        async record(version, dirty) {
          await client.command({
            query: `INSERT INTO versions SELECT ${version}, ${
              dirty ? 1 : 0
            }, max(sequence) + 1000 FROM versions`,
          });
        },
      };
    },
  });
});
