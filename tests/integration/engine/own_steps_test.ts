/** What an application's own SQL steps do wrong is told as theirs, and never recorded as done. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { createEngine } from "../../../engine/create_engine.ts";
import { ApplyError, RegistryError } from "../../../engine/errors.ts";
import { queryThrough } from "../../../engine/postgres/query.ts";
import { readSchemaObjects, type SchemaObjects } from "../../../engine/postgres/schema_objects.ts";
import type { SqlStep, StepModule, StepRunner } from "../../../engine/sql/step.ts";
import { startPostgres } from "../../support/postgres.ts";

type Up = (step: SqlStep) => (runner: StepRunner) => unknown;

function moduleOf(text: string, up: Up, changes: Partial<SqlStep> = {}): StepModule {
  const step: SqlStep = {
    ...{ version: 1, name: "own", description: "", transactional: true },
    ...{ up: [{ text }], down: [{ text: "DROP TABLE IF EXISTS own" }] },
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({ tables: [], consequences: [], warnings: [] }),
    ...changes,
  };
  const down = (runner: StepRunner) => runner.run(step, "down");
  return { step, up: up(step) as StepModule["up"], down }; // Not every caller has a compiler.
}

const runs: Up = (step) => (runner) => runner.run(step, "up");

Deno.test("apply() records no step that its up() did not run to its end", async () => {
  await using server = await startPostgres();
  const own: readonly (readonly [what: string, told: string, up: Up, text?: string])[] = [
    ["runs nothing", "did not run it up", () => () => undefined],
    ["runs it down", "did not run it up", (step) => (runner) => runner.run(step, "down")],
    ["does not wait", "division by zero", (step) => (runner) => void runner.run(step, "up"), "SELECT 1 / 0"],
    ["throws what is no error", "out of paper", () => () => Promise.reject("out of paper")],
  ];
  for (const [what, told, up, text = "CREATE TABLE own (n int)"] of own) {
    for (const transactional of [true, false]) {
      const sql = server.client(await server.createDatabase());
      const error = await assertRejects(
        () => engineOf(sql, moduleOf(text, up, { transactional })).apply(),
        ApplyError,
      );
      assertStringIncludes(error.message, told, what);
      const { migrations } = await engineOf(sql, moduleOf(text, up, { transactional })).list();
      assertEquals(migrations.some(({ status }) => status === "applied"), false, what);
    }
  }
});

Deno.test("apply() waits for a step that its up() does not wait for", async () => {
  await using server = await startPostgres();
  for (const transactional of [true, false]) {
    const sql = server.client(await server.createDatabase());
    const module = moduleOf(
      "CREATE TABLE own AS SELECT 1 AS n FROM pg_sleep(0.2)",
      (step) => (runner) => void runner.run(step, "up"),
      { transactional },
    );
    await engineOf(sql, module).apply();
    assertEquals([...await sql`SELECT count(*)::int AS rows FROM own`], [{ rows: 1 }]);
  }
});

Deno.test("verify() of a dirty database does not take a step for done that only takes away", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase());
  const steps = ["CREATE TABLE own (a int, b int)", "ALTER TABLE own DROP COLUMN b"];
  const read = async () =>
    (await readSchemaObjects(queryThrough(sql), "public")).filter(({ name }) => name === "own");
  const schemas: SchemaObjects[] = [];
  for (const text of steps) {
    await sql.unsafe(text);
    schemas.push(await read());
  }
  await sql.unsafe("DROP TABLE own");
  const modules = steps.map((text, i) => moduleOf(text, runs, { version: i + 1 }));
  const engine = engineOf(sql, ...modules.map((module, i) => ({ ...module, schema: schemas[i]! })));
  await engine.apply({ ids: ["sql/1"] });
  await sql`UPDATE shop_version SET version = 2, dirty = true`;
  assertEquals((await engine.verify()).postgres!.fits, undefined, "they lack nothing of either version");
});

Deno.test("plan(), apply() and planDown() name the step whose forecast is none", async () => {
  await using server = await startPostgres();
  const wrong = [
    [() => {
      throw new Error("no idea");
    }, "it threw: no idea"],
    [() => Promise.resolve({}), "it answered with a promise"],
    [() => 7, "it answered 7"],
    [() => ({ tables: [] }), "it answered this object"],
  ] as const;
  for (const [forecast, told] of wrong) {
    const sql = server.client(await server.createDatabase());
    const failing = engineOf(sql, moduleOf("CREATE TABLE own ()", runs, { forecast: forecast as never }));
    for (const call of [() => failing.plan(), () => failing.apply()]) {
      const error = await assertRejects(call);
      assertInstanceOf(error, RegistryError);
      assertEquals(error.message, `Cannot go by forecast() of sql/000001: ${told}`);
    }
    const back = engineOf(sql, moduleOf("CREATE TABLE own ()", runs, { forecastDown: forecast as never }));
    await back.apply();
    await assertRejects(() => back.planDown(1), RegistryError, `forecastDown() of sql/000001: ${told}`);
  }
});

function engineOf(
  sql: ReturnType<Awaited<ReturnType<typeof startPostgres>>["client"]>,
  ...modules: readonly (StepModule & { readonly schema?: SchemaObjects })[]
) {
  const schemas = modules.map(({ schema = [] }) => schema);
  return createEngine({
    registry: { postgres: { steps: modules, directory: null, schemas } },
    names: {
      tool: "shop",
      postgres: { bookkeepingTable: "shop_version", historyTable: "shop_history", lockKey: () => 7n },
      lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
    },
    postgres: { client: sql },
    version: "1.0.0",
    owner: { host: "shop-1", pid: 1 },
  });
}
