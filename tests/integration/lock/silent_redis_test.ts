/** What becomes of a SQL step while its lease in Redis runs out. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createEngine } from "../../../engine/create_engine.ts";
import type { Engine } from "../../../engine/engine.ts";
import { LockLostError } from "../../../engine/errors.ts";
import { createRegistry } from "../../../engine/registry.ts";
import type { SqlStep, StepModule } from "../../../engine/sql/step.ts";
import { outpostNames } from "../../../migrations/mod.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually, meanwhile } from "../../support/server.ts";

const TTL_MS = 1500;

/** Waits for as long as a row of the test stands: the work of hours, whose end the test decides. */
const WORK = "DO $$ BEGIN WHILE EXISTS (SELECT FROM go_on) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$";

function module(version: number, texts: readonly string[]): StepModule {
  const step: SqlStep = {
    version,
    name: `step_${version}`,
    description: "A step of a test",
    transactional: true,
    up: texts.map((text) => ({ text })),
    down: [{ text: WORK }],
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({ tables: [], consequences: [], warnings: [] }),
  };
  return { step, up: (runner) => runner.run(step, "up"), down: (runner) => runner.run(step, "down") };
}

async function start() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres());
  const redis = stack.use(await startRedis());
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  await sql`CREATE TABLE go_on (n int)`;
  await sql`INSERT INTO go_on VALUES (1)`;
  const client = redis.client();
  const engine = createEngine({
    registry: createRegistry({
      postgres: {
        steps: [module(1, ["CREATE TABLE one (n int)", WORK]), module(2, ["CREATE TABLE two (n int)"])],
        directory: null,
        schemas: [[], []],
      },
      redis: [],
    }),
    names: outpostNames(""),
    postgres: { client: sql },
    redis: client,
    version: "0.0.0",
    owner: { host: "test", pid: Deno.pid },
    lockTtlMs: TTL_MS,
  });
  const atWork = () =>
    eventually(async () => {
      const [row] =
        await sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = ${WORK} AND state = 'active'`;
      assertEquals(row!.n, 1);
    });
  const version = async () => {
    const [found] = await sql`SELECT to_regclass('schema_migrations') IS NOT NULL AS there`;
    if (!found!.there) return 0;
    const [row] = await sql`SELECT version::int FROM schema_migrations`;
    return row!.version;
  };
  const moved = stack.move();
  return { redis, client, sql, engine, atWork, version, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const applying = (engine: Engine) => {
  const events: string[] = [];
  const run = engine.apply({
    onEvent: (event) => "id" in event && events.push(`${event.event} ${event.id}`),
  });
  return { run, events };
};

Deno.test("A step that began ends by the advisory lock alone while Redis is silent, and nothing else begins", async () => {
  await using stores = await start();
  const { run, events } = applying(stores.engine);
  const lost = assertRejects(() => run, LockLostError, "no heartbeat reached Redis");
  meanwhile(lost);
  await stores.atWork();
  Deno.kill(stores.redis.pid, "SIGSTOP");
  try {
    // Long after the lease is over, and longer than the work of a lost run is waited for.
    await new Promise((resolve) => setTimeout(resolve, TTL_MS + 6000));
    await stores.atWork();
    await stores.sql`DELETE FROM go_on`;
    const error = await lost;
    assertStringIncludes(error.hint!, "Make the same call again");
  } finally {
    Deno.kill(stores.redis.pid, "SIGCONT");
  }
  assertEquals(await stores.version(), 1);
  const told = events.filter((event) => !event.startsWith("statement "));
  assertEquals(told, ["start sql/000001", "done sql/000001"]);
  await eventually(async () => assertEquals((await stores.engine.apply({ waitMs: 5000 })).results.length, 1));
  assertEquals(await stores.version(), 2);
});

Deno.test("A step that is being taken back ends likewise, and the one below it stays", async () => {
  await using stores = await start();
  await stores.sql`DELETE FROM go_on`;
  await stores.engine.apply();
  await stores.sql`INSERT INTO go_on VALUES (1)`;
  const lost = meanwhile(
    assertRejects(() => stores.engine.down({ to: 0 }), LockLostError, "no heartbeat reached Redis"),
  );
  await stores.atWork();
  Deno.kill(stores.redis.pid, "SIGSTOP");
  try {
    await new Promise((resolve) => setTimeout(resolve, TTL_MS + 6000));
    await stores.atWork();
    await stores.sql`DELETE FROM go_on`;
    await lost;
  } finally {
    Deno.kill(stores.redis.pid, "SIGCONT");
  }
  assertEquals(await stores.version(), 1);
});

Deno.test("A step is undone at once when its lock is cleared in a Redis that answers", async () => {
  await using stores = await start();
  const { run } = applying(stores.engine);
  const lost = meanwhile(assertRejects(() => run, LockLostError));
  await stores.atWork();
  await stores.engine.unlock({ force: true });
  await lost;
  assertEquals(await stores.version(), 0);
});

Deno.test("A step is undone when its connection is ended while Redis is silent", async () => {
  await using stores = await start();
  const { run } = applying(stores.engine);
  const lost = meanwhile(assertRejects(() => run, LockLostError));
  await stores.atWork();
  Deno.kill(stores.redis.pid, "SIGSTOP");
  try {
    await new Promise((resolve) => setTimeout(resolve, TTL_MS + 500));
    await stores.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = ${WORK}`;
    await lost;
  } finally {
    Deno.kill(stores.redis.pid, "SIGCONT");
  }
  assertEquals(await stores.version(), 0);
});
