/** The lock is proved again before anything of SQL is committed, whichever command writes it. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createEngine } from "../../../engine/create_engine.ts";
import { ApplyError, DriftError, LockLostError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { createRegistry } from "../../../engine/registry.ts";
import type { SqlStep, StepModule } from "../../../engine/sql/step.ts";
import { createOutpostEngine, outpostNames } from "../../../migrations/mod.ts";
import { around } from "../clickhouse/deployment.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { runInProcess } from "../../support/cli.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

/** Gives the advisory lock up, as a server does whose pooler hands the connection on. */
const GIVE_UP = "SELECT pg_advisory_unlock_all()";

function module(up: readonly string[], down: readonly string[]): StepModule {
  const step: SqlStep = {
    version: 1,
    name: "one",
    description: "A step of a test",
    transactional: true,
    up: up.map((text) => ({ text })),
    down: (down.length === 0 ? ["SELECT 1"] : down).map((text) => ({ text })),
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({ tables: [], consequences: [], warnings: [] }),
  };
  return { step, up: (runner) => runner.run(step, "up"), down: (runner) => runner.run(step, "down") };
}

/** What the engine needs beside its stores. */
const OWNER = { version: "0.0.0", owner: { host: "test", pid: Deno.pid } };
const LOCK = "outpost:migration:lock";

Deno.test("apply() and down() commit nothing once the advisory lock is gone", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const engineWith = (step: StepModule) =>
    createEngine({
      ...OWNER,
      registry: createRegistry({ postgres: { steps: [step], directory: null, schemas: [[]] }, redis: [] }),
      names: outpostNames(""),
      postgres: { client: sql },
    });
  const tables = async () =>
    (await sql`SELECT relname FROM pg_class WHERE relname IN ('one', 'two')`).map(({ relname }) => relname);
  await assertRejects(
    () => engineWith(module(["CREATE TABLE one (n int)", GIVE_UP], [])).apply(),
    LockLostError,
  );
  assertEquals(await tables(), []);
  const engine = engineWith(module(["CREATE TABLE one (n int)"], ["CREATE TABLE two (n int)", GIVE_UP]));
  await engine.apply();
  await assertRejects(() => engine.down(1), LockLostError);
  assertEquals(await tables(), ["one"]);
  assertEquals((await engine.status()).postgres?.version ?? 1, 1);
});

Deno.test("cleanup() and a step without a transaction end once another has the lease", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async (t) => {
  await using redis = await startRedis();
  const client = redis.client();
  const takeLease = () => client.set(LOCK, '{"token":"another"}', "PX", 60_000);

  await t.step("cleanup of the quarantine", async () => {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 20, orphans: 2 }));
    await using proxy = startFaultProxy({ protocol: "postgres", target: server.port, decide: () => null });
    const env = {
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: String(redis.port),
      POSTGRES_URL: url.replace(`:${server.port}/`, `:${proxy.port}/`),
    };
    assertEquals((await runInProcess(["migrate", "apply", "--yes", "--sql-only"], { env })).code, 0);
    const sql = server.client(url, { max: 1 });
    const rows = async () => (await sql`SELECT count(*)::int AS n FROM outpost_quarantine`)[0]!.n;
    const before = await rows();
    assert(before > 0);
    let taken = false;
    proxy.decide = async ({ text }) => {
      if (/^\s*DELETE FROM .*outpost_quarantine/is.test(text)) {
        taken = true;
        await takeLease();
      }
      return null;
    };
    const { code } = await runInProcess(["migrate", "cleanup", "sql/5", "--yes"], { env });
    assert(taken);
    assertEquals([code, await rows()], [3, before]);
    await client.del(LOCK);
  });

  await t.step("ClickHouse, through an engine", async () => {
    await using server = await startClickHouse();
    const { client: clickhouse } = await server.createDatabase();
    const changes = new Set<string>();
    const engine = createOutpostEngine({
      ...OWNER,
      redis: client,
      clickhouse: {
        identity: "test",
        client: around(clickhouse, async (query) => {
          if (!/^\s*ALTER TABLE/i.test(query)) return;
          if (changes.size === 0) await takeLease();
          changes.add(query);
        }) as never,
      },
    });
    await assertRejects(() => engine.apply({ ids: ["clickhouse/1", "clickhouse/2"] }), LockLostError);
    assertEquals(changes.size, 1, "no second statement of step 2 was sent");
    await client.del(LOCK);
    await engine.apply({ ids: ["clickhouse/1", "clickhouse/2", "clickhouse/3"] });
    assertEquals((await engine.verify()).clickhouse?.current ?? 3, 3);
  });
});

Deno.test("an engine tells a step that the server refuses, and one that was changed after it was applied", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const engineWith = (...steps: StepModule[]) =>
    createEngine({
      ...OWNER,
      registry: createRegistry({
        postgres: { steps, directory: null, schemas: steps.map(() => []) },
        redis: [],
      }),
      names: outpostNames(""),
      postgres: { client: sql },
    });
  const second = (text: string): StepModule => {
    const { step } = module([text], []);
    const two = { ...step, version: 2, name: "two" };
    return { step: two, up: (runner) => runner.run(two, "up"), down: (runner) => runner.run(two, "down") };
  };
  const one = module(["CREATE TABLE one (n int)"], []);
  const failed = await assertRejects(() => engineWith(one, second("CREATE TABLE one (n int)")).apply());
  const cause = (failed as Error).cause ?? failed;
  assert(cause instanceof StepFailedError, String(cause));
  assertEquals([cause.failure.id, cause.failure.serverCode], ["sql/000002", "42P07"]);
  const changed = module(["CREATE TABLE one (n bigint)"], []);
  const drift = await assertRejects(
    () => engineWith(changed, second("CREATE TABLE two (n int)")).apply(),
    DriftError,
  );
  assertStringIncludes(drift.message, "1");
});

Deno.test("apply() says what is kept of a step that fails", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const failing = async (transactional: boolean, upOf?: () => Promise<void>) => {
    const made = module(["CREATE TABLE IF NOT EXISTS one (n int)", "SELECT 1 / 0"], []);
    const step = { ...made.step, transactional };
    const engine = createEngine({
      ...OWNER,
      registry: createRegistry({
        postgres: {
          steps: [{ ...made, step, up: upOf ?? ((runner) => runner.run(step, "up")) }],
          directory: null,
          schemas: [[]],
        },
        redis: [],
      }),
      names: outpostNames(""),
      postgres: { client: sql },
    });
    const error = await assertRejects(() => engine.apply(), ApplyError);
    const kept = (await sql`SELECT FROM pg_class WHERE relname = 'one'`).length > 0;
    return { kept, hint: (error.cause as { hint?: string }).hint ?? error.hint };
  };
  const undone = await failing(true);
  assertEquals(undone.kept, false);
  assertStringIncludes(undone.hint!, "Nothing of this step was kept");
  const half = await failing(false);
  assertEquals(half.kept, true);
  assertStringIncludes(half.hint!, "what is done stays done");
  const { hint } = await failing(false, () => Promise.reject(new Error("of the step's own")));
  assertStringIncludes(hint!, "what is done stays done");
});
