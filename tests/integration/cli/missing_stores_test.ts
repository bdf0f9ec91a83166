/** Stores that do not answer: all told at once, and waited for where that was asked. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { freePort } from "../../support/server.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "a command names every store that cannot be read, with where it was looked for",
  options,
  async () => {
    await using redis = await startRedis(["--requirepass", "right"]);
    const port = freePort();
    const POSTGRES_URL = `postgres://someone@127.0.0.1:${port}/outpost`;
    const down = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(freePort()), POSTGRES_URL };
    for (const line of ["migrate status", "migrate apply --yes", "serve -- true"]) {
      const { code, stderr } = await runInProcess(line.split(" "), { env: down });
      assertEquals(code, 4, stderr);
      assertStringIncludes(stderr, "2 stores cannot be read [stores_failed]");
      assertStringIncludes(stderr, `${down.REDIS_PORT} (REDIS_HOST)`);
      assertStringIncludes(stderr, `${port}/outpost (POSTGRES_URL)`);
    }
    const denied = {
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: String(redis.port),
      REDIS_PASSWORD: "wrong",
      POSTGRES_URL,
    };
    const { code, stdout } = await runInProcess(["migrate", "list", "--json"], { env: denied });
    const { error } = JSON.parse(stdout);
    assertEquals([code, error.code], [4, "stores_failed"]);
    assertStringIncludes(error.message, "Redis");
    assertStringIncludes(error.message, "Postgres");
  },
);

Deno.test(
  "status and list tell who holds the bookkeeping of Postgres since when, and the rest of the answer",
  options,
  async () => {
    await using redis = await startRedis();
    await using server = await startPostgres();
    const POSTGRES_URL = await server.createDatabase();
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), POSTGRES_URL };
    assertEquals((await runInProcess(["migrate", "apply", "--yes"], { env })).code, 0);
    const holder = await server.client(POSTGRES_URL, {
      max: 1,
      connection: { application_name: "vacuum full" },
    }).reserve();
    await holder`BEGIN`;
    await holder`LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE`;
    const [row] = await holder<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    const who = `held by process ${row!.pid} (vacuum full, user postgres), idle in transaction since 20`;
    const [status, list, text] = await Promise.all(
      ["status --json", "list --json", "status"].map((line) =>
        runInProcess(["migrate", ...line.split(" ")], { env })
      ),
    );
    for (const { code, stdout } of [status!, list!]) {
      assertEquals(code, 4);
      const { pending, unread } = JSON.parse(stdout);
      assertEquals([pending, unread.length, unread[0].type], [{ sql: null, redis: 0 }, 1, "sql"]);
      assertStringIncludes(unread[0].message, who);
    }
    const { sql, redis: records, lock } = JSON.parse(status!.stdout);
    assertEquals([sql, records, lock.held], [null, { applied: 3, total: 3 }, false]);
    assertEquals(JSON.parse(list!.stdout).migrations.length, 3);
    assertEquals(text!.code, 4);
    assertStringIncludes(text!.stdout.replaceAll(/\s+/g, " "), who);
    assertStringIncludes(text!.stdout, "3 of 3 migrations done");
    await holder`ROLLBACK`;
    assertEquals((await runInProcess(["migrate", "status"], { env })).code, 0);
  },
);

Deno.test("--connect-wait and serve --wait go on as soon as the stores are there", options, async () => {
  for (const line of ["migrate apply --yes --connect-wait 1m", "serve --wait 1m -- true"]) {
    await using stack = new AsyncDisposableStack();
    const [redisPort, port] = [freePort(), freePort()];
    const env = {
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: String(redisPort),
      POSTGRES_URL: `postgres://postgres@127.0.0.1:${port}/postgres`,
    };
    let started: Promise<void> | undefined;
    const start = async () => {
      stack.use(await startRedis([], redisPort));
      stack.use(await startPostgres({ port: String(port) }));
      if (!line.startsWith("serve")) return;
      // Nothing may be pending for the server to start; a deployment job does that beside the waiting one.
      const { code, stderr } = await runInProcess(["migrate", "apply", "--yes"], { env });
      assertEquals(code, 0, stderr);
    };
    const { code, stderr } = await runInProcess(line.split(" "), {
      env,
      onStderr: (text) => {
        if (text.includes("Waiting for the stores: ")) started ??= start();
      },
    });
    assertEquals(code, 0, stderr);
    await started;
    assertEquals(started !== undefined, true, stderr);
  }
});

Deno.test("--connect-wait ends after its time with what is wrong", options, async () => {
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(freePort()), MIGRATE_CONNECT_WAIT: "10ms" };
  const { code, stderr } = await runInProcess(["migrate", "status", "--redis-only"], { env });
  assertEquals(code, 4);
  assertStringIncludes(stderr, "[store_unreachable]");
});
