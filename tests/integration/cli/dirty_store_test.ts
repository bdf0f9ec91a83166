import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { seedVersion4 } from "../../support/outpost_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { putHash, tenantFields } from "../../support/redis_records.ts";

Deno.test("a database that another tool left dirty stands in the way of its own steps, and of no Redis migration", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, seedVersion4);
  await postgres.client(url, { max: 1 })`UPDATE schema_migrations SET dirty = true`;
  await putHash(redis.client(), "tenant:t", tenantFields("t"));
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), POSTGRES_URL: url };
  const apply = (ids: string) => runInProcess(["migrate", "apply", ...ids.split(" "), "--yes"], { env });
  const refused = await apply("sql/4");
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "left it dirty");
  const both = await apply("sql/4 redis/1");
  assertEquals(both.code, 1);
  assertStringIncludes(both.stderr, "left it dirty");
  assertEquals(await redis.client().exists("tenant:{t}:tenant"), 0);
  const done = await apply("redis/1");
  assertEquals(done.code, 0, done.stderr);
  assertEquals(await redis.client().exists("tenant:{t}:tenant"), 1);
});

Deno.test("plan and apply refuse a database that a newer release left dirty, and send nobody to versions that are not known", async () => {
  await using postgres = await startPostgres();
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, seedVersion4);
  const run = (command: string) =>
    runInProcess(["migrate", ...command.split(" "), "--sql-only"], { env: { POSTGRES_URL: url } });
  assertEquals((await run("apply --yes")).code, 0);
  await postgres.client(url, { max: 1 })`UPDATE schema_migrations SET version = 12, dirty = true`;
  for (const command of ["plan", "apply --yes", "down 1 --yes"]) {
    const { code, stderr } = await run(command);
    assertEquals(code, 1, command);
    assertStringIncludes(stderr, "dirty");
    assertStringIncludes(stderr, "Repair it with the release that knows version 12");
  }
  const { code, stdout } = await run("verify");
  assertEquals(code, 1);
  assertStringIncludes(
    stdout,
    "Next: outpost migrate verify --sql-only  with the release that applied these steps",
  );
});

Deno.test("where two SQL stores are configured, every force that is advised says which one it is for", async () => {
  await using postgres = await startPostgres();
  await using clickhouse = await startClickHouse();
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, seedVersion4);
  const { name } = await clickhouse.createDatabase();
  const env = {
    POSTGRES_URL: url,
    CLICKHOUSE_ADDR: `${clickhouse.host}:${clickhouse.port}`,
    CLICKHOUSE_DATABASE: name,
  };
  const run = (command: string) => runInProcess(["migrate", ...command.split(" "), "--sql-only"], { env });
  assertEquals((await run("apply --yes")).code, 0);
  const sql = postgres.client(url, { max: 1 });
  await sql`UPDATE schema_migrations SET dirty = true`;
  assertStringIncludes((await run("apply sql/10 --yes")).stderr, "outpost migrate force 10 --store postgres");
  assertStringIncludes(
    (await run("verify")).stdout,
    "Next: outpost migrate force 10 --store postgres --sql-only",
  );
  // Also where only one of the two was looked at.
  assertStringIncludes(
    (await run("verify sql/10")).stdout,
    "Next: outpost migrate force 10 --store postgres --sql-only",
  );
  for (const command of ["plan sql/10", "apply --yes", "down 1 --store postgres --yes"]) {
    const { stdout, stderr } = await run(command);
    assertStringIncludes(`${command}: ${stdout}${stderr}`, "outpost migrate force 10 --store postgres");
  }
  assertEquals((await run("force 10 --store postgres --yes")).code, 0);
  await sql`INSERT INTO schema_migrations VALUES (9, false)`;
  assertStringIncludes(
    (await run("verify")).stdout,
    "Next: outpost migrate force 10 --store postgres --sql-only",
  );
});
