import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
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
