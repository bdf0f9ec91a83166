/** Several deployments whose tables are in one ClickHouse: each has tables of its own, and its own steps. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { putHash, tenantFields } from "../../support/redis_records.ts";
import { startRedis } from "../../support/redis.ts";
import { freePort } from "../../support/server.ts";

/** What every answer says of each. */
interface Told {
  readonly deployment_id: string;
  readonly applied?: string[];
  readonly pending?: { readonly sql: number; readonly redis: number };
  readonly error?: { readonly code: string };
}

Deno.test("migrate apply for several deployments applies the steps of each in ClickHouse, and none of one that is dirty", async () => {
  await using server = await startRedis();
  await using clickhouse = await startClickHouse();
  const { name, client } = await clickhouse.createDatabase();
  const redis = server.client();
  await putHash(redis, "tenant:t", tenantFields("t"));
  for (const id of ["a", "b"]) await putHash(redis, `${id}:tenant:{t}:tenant`, tenantFields("t"));
  const env = {
    REDIS_HOST: server.host,
    REDIS_PORT: String(server.port),
    CLICKHOUSE_ADDR: `${clickhouse.host}:${clickhouse.port}`,
    CLICKHOUSE_DATABASE: name,
  };
  const run = (words: string, answers: string[] = []) =>
    runInProcess(["migrate", ...words.split(" "), "--all-deployments"], { env, answers });
  const told = async (words: string): Promise<[number | null, Told[]]> => {
    const { code, stdout } = await run(`${words} --json`);
    return [code, JSON.parse(stdout.trim().split("\n").at(-1)!).deployments];
  };
  // The server's port, where nobody speaks HTTP, stays the server's.
  const shared = {
    ...env,
    CLICKHOUSE_ADDR: `127.0.0.1:${freePort()}`,
    CLICKHOUSE_HTTP_ADDR: env.CLICKHOUSE_ADDR,
  };
  const list = await runInProcess(["migrate", "list", "--sql-only", "--json"], { env: shared });
  assertEquals([list.code, JSON.parse(list.stdout).pending.sql], [0, 3]);
  const [first, created] = await told("apply clickhouse/1 --yes");
  assertEquals([first, created.map(({ applied }) => applied)], [0, Array(3).fill(["clickhouse/000001"])]);
  // As a released Outpost leaves it that fails in the middle of a step.
  const dirty =
    "INSERT INTO a_schema_migrations (version, dirty, sequence) VALUES (2, 1, 4000000000000000000)";
  await client.command({ query: dirty });
  const asked = await run("apply", ["y"]);
  assertEquals(asked.code, 1);
  assertStringIncludes(asked.stderr, "to 2 deployments in ClickHouse");
  assertStringIncludes(asked.stdout, "1 of 3 are not done.");
  const [code, again] = await told("apply --yes");
  assertEquals([code, again.map(({ applied, error }) => error?.code ?? applied)], [1, [[], "dirty", []]]);
  const [, states] = await told("list");
  assertEquals(states.map(({ pending }) => pending), [
    { sql: 0, redis: 0 },
    { sql: 2, redis: 2 },
    { sql: 0, redis: 0 },
  ]);
});
