import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { PlanStaleError } from "../../../engine/errors.ts";
import { createOutpostEngine } from "../../../migrations/mod.ts";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, everything, fill, locked, migrateTo, running } from "./deployment.ts";

const engineOver = (sql: postgres.Sql) =>
  createOutpostEngine({ postgres: sql, version: "1", owner: { host: "test", pid: Deno.pid } });

const PARTITION =
  "CREATE TABLE deliveries_2024 PARTITION OF deliveries FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')";

Deno.test("apply() does nothing when a step would run in another way than the plan showed", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  await migrateTo(backendOver(sql), 4);
  await fill(sql);
  const engine = engineOver(sql);
  const plan = await engine.plan({ ids: ["sql/5"] });
  assertEquals(plan.basis.variants, { "sql/000005": "by exchange" });
  await sql.unsafe(PARTITION);
  const before = await everything(sql);
  const error = await assertRejects(() => engine.apply({ plan }), PlanStaleError);
  assertEquals(error.changes, ["sql/000005 was to run by exchange, and would run in the ordinary way"]);
  assertEquals(await everything(sql), before);
  const again = await engine.plan({ ids: ["sql/5"] });
  assertEquals(again.basis.variants, { "sql/000005": "" });
  await engine.apply({ plan: again });
  assertEquals((await engine.status()).postgres?.version, 5);
});

Deno.test("up() refuses a way that was not shown, in the step's own transaction", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  const before = await everything(sql);
  await using session = await locked(backend);
  await assertRejects(() => session.up(5, running({ variant: "" })), PlanStaleError);
  assertEquals(await everything(sql), before);
  await session.up(5, running({ variant: "by exchange" }));
});

Deno.test("plan() from an earlier version shows the statements that will run", async () => {
  await using server = await startPostgres();
  for (
    const [from, prepare, shown] of [[3, PARTITION, ""], [1, PARTITION, ""], [3, "", "by exchange"], [
      0,
      "",
      "by exchange",
    ]] as const
  ) {
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, from);
    if (prepare !== "") await sql.unsafe(prepare);
    const versions = Array.from({ length: 5 - from }, (_, i) => from + 1 + i);
    assertEquals(await backend.variants(versions), { "sql/000005": shown }, `from ${from}`);
    const statements = (await backend.plan(versions)).steps.at(-1)!.statements;
    const ran: string[] = [];
    await migrateTo(backend, 4);
    await using session = await locked(backend);
    await session.up(5, running({ onStatement: (_index, _count, text) => void ran.push(text) }));
    assertEquals(ran, [...statements], `from ${from}`);
    assertStringIncludes(statements.join(), shown === "" ? "UPDATE deliveries" : "ATTACH PARTITION");
  }
});
