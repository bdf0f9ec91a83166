import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import type postgres from "postgres";
import type { Engine } from "../../../engine/engine.ts";
import {
  DirtyError,
  InterruptedError,
  LockHeldError,
  LockLostError,
  NotVerifiedError,
  PendingError,
  PlanStaleError,
  RefusedError,
  StoreUnreachableError,
} from "../../../engine/errors.ts";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { eventually, freePort } from "../../support/server.ts";

let postgresServer: PostgresServer;
let redisServer: RedisServer;
let databases = 0;

/** The cases below, run as steps of one test that starts the servers and stops them. */
const cases: { readonly name: string; readonly run: () => Promise<void> }[] = [];
const test = (name: string, run: () => Promise<void>) => void cases.push({ name, run });

// Node's sockets leave timers behind in the oldest Deno, when a connection cannot be made.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test("Engine", quietly, async (t) => {
  await using postgresOfThisTest = await startPostgres();
  await using redisOfThisTest = await startRedis(["--databases", "64"]);
  [postgresServer, redisServer] = [postgresOfThisTest, redisOfThisTest];
  for (const { name, run } of cases) await t.step(name, run);
});

/** A legacy deployment of its own: a database of the server, and a numbered database of the Redis. */
interface Deployment {
  readonly sql: postgres.Sql;
  readonly redis: Redis;
  readonly engine: Engine;
  /** Another engine over clients of its own, as another pod would have. */
  another(): Engine;
}

async function legacyDeployment({ version = 4, tenants = 3 } = {}): Promise<Deployment> {
  const url = await postgresServer.createDatabase();
  const db = databases++;
  await bringToVersion(url, version, async (sql) => {
    if (version === 4) await fillLegacyLog(sql, { events: 50, orphans: 3 });
  });
  const open = () => {
    const [sql, redis] = [postgresServer.client(url), redisServer.client({ db })];
    const owner = { host: "test", pid: Deno.pid };
    return {
      sql,
      redis,
      engine: createFrozenEngine({ postgres: sql, redis, version: "1.2.3", owner, lockTtlMs: 2000 }),
    };
  };
  const first = open();
  for (let i = 0; i < tenants; i++) {
    await first.redis.hset(`tenant:t${i}`, {
      id: `t${i}`,
      created_at: "2024-01-15T10:30:00.5+07:00",
      metadata: "{}",
    });
    await first.redis.hset(`tenant:t${i}:destination:d`, {
      id: "d",
      type: "webhook",
      created_at: "2024-01-15T10:30:00Z",
    });
    await first.redis.hset(`tenant:t${i}:destinations`, "d", '{"id":"d"}');
  }
  return { ...first, another: () => open().engine };
}

const outcomes = (results: readonly { readonly id: string; readonly outcome: string }[]) =>
  results.map(({ id, outcome }) => `${id} ${outcome}`);

test("apply() migrates both stores, SQL first, and again does nothing", async () => {
  const { engine, redis, sql } = await legacyDeployment();
  await assertRejects(() => engine.assertCurrent(), PendingError, "6 SQL and 3 Redis migrations are pending");
  const { results } = await engine.apply();
  assertEquals(outcomes(results), [
    ...[5, 6, 7, 8, 9, 10].map((version) => `sql/${String(version).padStart(6, "0")} applied`),
    ...["001_hash_tags", "002_timestamps", "003_entity"].map((name) => `redis/${name} applied`),
  ]);
  assertEquals(await redis.hgetall("tenant:{t1}:tenant"), {
    id: "t1",
    created_at: "1705289400500",
    metadata: "{}",
    entity: "tenant",
  });
  assertEquals(Number((await sql`SELECT count(*) AS n FROM attempts`)[0]!["n"]), 50);
  await engine.assertCurrent();
  assertEquals((await engine.verify({ full: true })).ok, true);
  assertEquals(await engine.apply(), { results: [], doneByOther: false });
  const left = await engine.planCleanup();
  assertEquals(left.items.map(({ id, count }) => [id, count]), [["sql/000005", 53], [
    "redis/001_hash_tags",
    9,
  ]]);
  assertEquals((await engine.cleanup("redis/1")).deleted, 9);
  assertEquals((await engine.cleanup("sql/5")).deleted, 53);
  assertEquals((await redis.keys("tenant:t*")).length, 0);
  assertEquals((await engine.verify({ full: true })).ok, true);
});

test("plan(), list(), status() and verify() write nothing and take no lock", async () => {
  const { engine, redis, sql } = await legacyDeployment();
  const keys = (await redis.keys("*")).sort();
  const tables = () =>
    sql`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`;
  const before = await tables();
  const plan = await engine.plan();
  assertEquals(plan.redis.map(({ id, estimatedItems }) => [id, estimatedItems]), [
    ["redis/001_hash_tags", 9],
    ["redis/002_timestamps", 6],
    ["redis/003_entity", 6],
  ]);
  assertEquals(plan.postgres?.steps.length, 6);
  assertEquals((await engine.list()).pending, { sql: 6, redis: 3 });
  const status = await engine.status();
  assertEquals([status.postgres?.version, status.redis, status.lock], [4, { applied: 0, total: 3 }, null]);
  assertEquals((await engine.verify()).ok, false);
  assertEquals((await redis.keys("*")).sort(), keys);
  assertEquals(await tables(), before);
});

test("apply() of a saved plan does exactly that, or says what moved", async () => {
  const { engine, redis } = await legacyDeployment();
  const plan = await engine.plan({ ids: ["sql/5", "sql/6"] });
  const saved = JSON.parse(JSON.stringify({ digest: plan.digest, basis: plan.basis }));
  assertEquals(outcomes((await engine.apply({ plan: saved })).results), [
    "sql/000005 applied",
    "sql/000006 applied",
  ]);
  assertEquals(await engine.apply({ plan: saved }), { results: [], doneByOther: false }, "done is done");
  await engine.apply({ ids: ["sql/7"] });
  const stale = await assertRejects(() => engine.apply({ plan: saved }), PlanStaleError);
  assertEquals(stale.changes, [
    "The postgres version was 4 and is 7",
    "sql/000007 was pending and is applied",
  ]);
  const edited = structuredClone(saved);
  edited.basis.selected.push("sql/000008");
  await assertRejects(() => engine.apply({ plan: edited }), PlanStaleError, "digest does not match");
  assertEquals(await redis.exists("tenant:{t1}:tenant"), 0);
});

test("apply() goes on with a saved plan that was interrupted, and with nothing that it did not plan", async () => {
  const { engine, another } = await legacyDeployment();
  // Named, the steps run one by one.
  const ids = (await engine.plan()).basis.selected;
  const { digest, basis } = await engine.plan({ ids });
  const stop = new AbortController();
  await assertRejects(
    () =>
      engine.apply({
        plan: { digest, basis },
        signal: stop.signal,
        batchSize: 1,
        onEvent: (event) => event.event === "done" && event.id === "sql/000006" && stop.abort(),
      }),
    InterruptedError,
  );
  assertEquals((await engine.list()).pending, { sql: 4, redis: 3 });
  const left = await another().plan({ saved: { digest, basis } });
  assertEquals(left.basis.selected.length, 7, "what is shown is what is left");
  const { results } = await another().apply({ plan: { digest, basis } });
  assertEquals(results.map(({ id }) => id), left.basis.selected);
  assertEquals((await engine.list()).pending, { sql: 0, redis: 0 });
});

test("apply() runs the steps as one that nobody named, and refuses to do so where that is not what was shown", async () => {
  const { engine, another, sql } = await legacyDeployment();
  const { digest, basis, postgres } = await engine.plan();
  const steps = ["sql/000005", "sql/000006", "sql/000007", "sql/000008", "sql/000009", "sql/000010"];
  const { needs, ...grouping } = postgres!.grouping!;
  assertEquals([basis.together, grouping], [steps, { together: [5, 6, 7, 8, 9, 10], apart: [] }]);
  assertEquals(needs!.bytes > 0 && needs!.disk > needs!.bytes, true);
  await sql`CREATE INDEX mine ON events_default (topic)`;
  const error = await assertRejects(() => engine.apply({ plan: { digest, basis } }), PlanStaleError);
  assertStringIncludes(error.message, "would no longer run as one: ");
  assertEquals((await engine.list()).pending.sql, 6);
  const now = await engine.plan();
  assertEquals(now.basis.together, undefined);
  assertStringIncludes(now.postgres!.grouping!.apart.join(), "of their own");
  await sql`DROP INDEX mine`;
  const started: string[] = [];
  const { results } = await another().apply({
    plan: { digest, basis },
    onEvent: (event) => {
      if (event.event === "start" || event.event === "done") started.push(`${event.event} ${event.id}`);
    },
  });
  assertEquals(started.slice(0, 12), [
    ...steps.map((id) => `start ${id}`),
    ...steps.map((id) => `done ${id}`),
  ]);
  assert(results.every(({ outcome }) => outcome === "applied"));
  assert((await engine.verify()).ok);
});

test("apply() refuses to leave out an earlier migration", async () => {
  const { engine } = await legacyDeployment();
  await assertRejects(
    () => engine.apply({ ids: ["sql/7"] }),
    RefusedError,
    "sql/000005, sql/000006 must come first",
  );
  await assertRejects(
    () => engine.apply({ ids: ["redis/2"] }),
    RefusedError,
    "redis/001_hash_tags must come first",
  );
});

test("apply() refuses a database that golang-migrate left dirty, and force() is the way out", async () => {
  const { engine, sql } = await legacyDeployment();
  await sql`UPDATE schema_migrations SET version = 5, dirty = true`;
  const error = await assertRejects(() => engine.apply(), DirtyError);
  assertStringIncludes(error.hint ?? "", "force");
  assertEquals((await engine.list()).migrations[4]?.status, "dirty");
  for (const back of [() => engine.planDown(1), () => engine.down({ to: 3 }), () => engine.down({ to: 5 })]) {
    const { message, hint } = await assertRejects(back, DirtyError);
    assertStringIncludes(message, "version 5 was left dirty by another tool");
    assertStringIncludes(hint ?? "", "force");
  }
  const { issues } = (await engine.verify()).postgres!;
  assert(issues.includes('Of version 5: Table "attempts" is missing'), issues.join("\n"));
  assertEquals(issues.at(-1), "The schema has all of version 4");
  await engine.force(4);
  await engine.apply();
  await engine.assertCurrent();
});

test("verify() finds the version of the tables where golang-migrate failed on the way down, which leaves them as they were", async () => {
  const { engine, sql } = await legacyDeployment();
  await engine.apply();
  const { version } = (await engine.status()).postgres!;
  // It writes down the version that it goes back to, and the server undoes what it began.
  await sql`UPDATE schema_migrations SET version = ${version - 1}, dirty = true`;
  const { issues, fits } = (await engine.verify()).postgres!;
  assertEquals([fits, issues.at(-1)], [version, `The schema has all of version ${version}`]);
  await engine.force(fits!);
  await engine.assertCurrent();
});

test("apply() of many at once: one works, all succeed, nothing is done twice", async () => {
  const { another, sql } = await legacyDeployment({ tenants: 50 });
  const runs = await Promise.all(Array.from({ length: 6 }, () => another().apply({ waitMs: 60_000 })));
  const worked = runs.filter(({ results }) => results.length > 0);
  assertEquals(worked.length, 1);
  assert(runs.filter((run) => run !== worked[0]).every(({ results }) => results.length === 0));
  assertEquals(
    Number((await sql`SELECT count(*) AS n FROM outpost_migrations WHERE version >= 5`)[0]!["n"]),
    6,
  );
});

test("apply() that is interrupted releases the lock, and the next one finishes", async () => {
  const { engine, redis } = await legacyDeployment({ tenants: 400 });
  const stop = new AbortController();
  await assertRejects(
    () =>
      engine.apply({
        signal: stop.signal,
        batchSize: 10,
        maxRate: 500,
        onEvent: (event) => {
          if (event.event === "progress" && event.id === "redis/001_hash_tags") stop.abort();
        },
      }),
    InterruptedError,
  );
  const status = await engine.status();
  assertEquals(status.lock, null);
  assertEquals(status.pending, { sql: 0, redis: 3 });
  const { results } = await engine.apply();
  assertEquals(outcomes(results), [
    "redis/001_hash_tags applied",
    "redis/002_timestamps applied",
    "redis/003_entity applied",
  ]);
  assertEquals((await redis.keys("tenant:{*}:tenant")).length, 400);
});

test("down() takes steps back under the lock, and apply() brings them again", async () => {
  const { engine } = await legacyDeployment();
  await engine.apply();
  assertEquals((await engine.planDown(2)).steps.map(({ id }) => id), ["sql/000010", "sql/000009"]);
  assertEquals(await engine.down(2), ["sql/000010", "sql/000009"]);
  assertEquals((await engine.status()).postgres?.version, 8);
  assertEquals(outcomes((await engine.apply()).results), ["sql/000009 applied", "sql/000010 applied"]);
});

test("down() goes to the version that it is told, however often, and no further", async () => {
  const { engine } = await legacyDeployment();
  await engine.apply();
  const plan = await engine.planDown({ to: 8 });
  assertEquals([plan.from, plan.to, plan.steps.map(({ id }) => id)], [10, 8, ["sql/000010", "sql/000009"]]);
  assertEquals(await engine.down({ to: 8 }), ["sql/000010", "sql/000009"]);
  assertEquals(await engine.down({ to: 8 }), []);
  assertEquals(await engine.down({ to: 9 }), []);
  assertEquals((await engine.planDown({ to: 9 })).steps, []);
});

test("down() does nothing when somebody else was faster than the answer", async () => {
  const { engine, another } = await legacyDeployment();
  await engine.apply();
  const { from, to } = await engine.planDown(1);
  await another().down(1);
  const error = await assertRejects(() => engine.down({ to }, { from }), PlanStaleError);
  assertEquals(error.changes, ["The version was 10 and is 9"]);
  assertEquals((await engine.status()).postgres?.version, 9);
});

test("force() does nothing when somebody else was faster than the answer, or a newer release at work", async () => {
  const { engine, sql } = await legacyDeployment();
  await assertRejects(() => engine.force(5, { from: 3 }), PlanStaleError, "is at 4");
  await sql`UPDATE schema_migrations SET version = 12`;
  const { hint } = await assertRejects(() => engine.force(10), RefusedError, "at version 12");
  assertStringIncludes(hint ?? "", "force(10, { from: 12 })");
  assertEquals([...await sql`SELECT version::int FROM schema_migrations`], [{ version: 12 }]);
  await engine.force(4, { from: 12 });
  assertEquals([...await sql`SELECT version::int FROM schema_migrations`], [{ version: 4 }]);
});

test("down() that is cut off names the version to go on to, which takes no more back", async () => {
  const { engine, sql } = await legacyDeployment();
  await engine.apply();
  const reader = await sql.reserve();
  const stop = new AbortController();
  const cuts = [
    { expected: InterruptedError, signal: stop.signal, cut: () => Promise.resolve(stop.abort()) },
    {
      expected: LockLostError,
      signal: undefined,
      cut: () =>
        reader`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`,
    },
  ];
  for (const { expected, signal, cut } of cuts) {
    await reader`BEGIN`;
    // The newest step may be taken back beside it, the one before has to wait.
    await reader`SELECT count(*) FROM attempts`;
    const taking = assertRejects(
      () => engine.down({ to: 8 }, signal === undefined ? {} : { signal }),
      expected,
    );
    await eventually(async () => {
      const [row] =
        await reader`SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND granted`;
      assertEquals(row!.n, 1);
    });
    await cut();
    assertStringIncludes((await taking).hint ?? "", "Run down({ to: 8 })");
    await reader`COMMIT`;
  }
  reader.release();
  await engine.down({ to: 8 });
  assertEquals((await engine.status()).postgres?.version, 8);
});

test("init() marks a fresh Redis once, whichever of many nodes is first, and leaves SQL to apply()", async () => {
  const { another, engine } = await legacyDeployment({ version: 0, tenants: 0 });
  const results = await Promise.all(Array.from({ length: 4 }, () => another().init({ waitMs: 30_000 })));
  assertEquals(results.filter(({ redis }) => redis === "marked").length, 1);
  assertEquals((await engine.list()).pending, { sql: 10, redis: 0 });
  assertEquals((await engine.init()).redis, "used");
});

test("init() changes nothing on a Redis that is in use", async () => {
  const { engine, redis } = await legacyDeployment({ tenants: 1 });
  const keys = (await redis.keys("*")).sort();
  const result = await engine.init();
  assertEquals([result.redis, result.pending], ["used", { sql: 6, redis: 3 }]);
  assertEquals((await redis.keys("*")).sort(), keys);
});

test("apply() honours the locks of older tools, and unlock() clears what is dead", async () => {
  const { engine, redis } = await legacyDeployment();
  await redis.set(".outpost:migration_lock", "5d41402abc4b2a76b9719d911017c592", "PX", 3_600_000);
  const error = await assertRejects(() => engine.apply({ waitMs: 0 }), LockHeldError);
  assertEquals(error.owner?.source, ".outpost:migration_lock");
  assertEquals((await engine.status()).lock?.source, ".outpost:migration_lock");
  assertEquals((await engine.unlock()).cleared, [".outpost:migration_lock"]);
  await engine.apply({ waitMs: 0 });
});

test("cleanup() refuses while its migration is pending", async () => {
  const { engine } = await legacyDeployment();
  await assertRejects(() => engine.cleanup("redis/1"), NotVerifiedError, "it is pending");
});

test("every method says which store cannot be reached", async () => {
  const { sql } = await legacyDeployment();
  const redis = redisServer.client({ port: freePort(), maxRetriesPerRequest: 0, retryStrategy: () => null });
  const engine = createFrozenEngine({
    postgres: sql,
    redis,
    version: "1",
    owner: { host: "test", pid: 1 },
  });
  for (const ask of [() => engine.list(), () => engine.plan(), () => engine.apply(), () => engine.verify()]) {
    const error = await assertRejects(ask, StoreUnreachableError);
    assertEquals(error.store, "redis");
  }
  const { hint } = await assertRejects(() => engine.down({ to: 3 }), StoreUnreachableError);
  assertStringIncludes(hint ?? "", "Check the Redis host");
});
