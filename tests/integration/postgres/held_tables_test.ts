import type postgres from "postgres";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { StoreUnreachableError } from "../../../engine/errors.ts";
import { readAtOnce, ReadPatience } from "../../../engine/postgres/reading.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import { backendOver, fill, migrateTo } from "./deployment.ts";

/** How long the tests let reads wait, in milliseconds. */
const WAIT_MS = 300;

async function start(version: number, hold: string) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres({ max_prepared_transactions: "5" }));
  const url = await server.createDatabase();
  const waits: string[] = [];
  const sql = server.client(url, {
    max: 2,
    debug: (_, text) => waits.push(...waitsOf(text)),
  });
  await migrateTo(backendOver(sql), 4);
  await fill(sql);
  await migrateTo(backendOver(sql), version);
  const holder = await server.client(url, { max: 1, connection: { application_name: "vacuum full" } })
    .reserve();
  await holder`BEGIN`;
  await holder.unsafe(`LOCK TABLE ${hold} IN ACCESS EXCLUSIVE MODE`);
  const [row] = await holder<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  stack.defer(() => holder.release());
  const moved = stack.move();
  return {
    sql,
    /** How long reads were told to wait for a table, in milliseconds. */
    waits,
    backend: backendOver(sql, { readWaitMs: WAIT_MS }),
    holder: holder as postgres.ReservedSql,
    who: `process ${row!.pid} (vacuum full, user postgres), idle in transaction since 20`,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** What a query sets before a read, or after a wait that was in vain. */
function waitsOf(text: string): readonly string[] {
  return /'lock_timeout', E?'(\d+)'/.exec(text)?.slice(1) ?? [];
}

Deno.test("verify() tells who holds a table that it cannot look at, and gives the rest of the answer", async () => {
  await using held = await start(9, "events");
  const { ok, current, issues } = await held.backend.verify();
  assertEquals([ok, current], [false, 9]);
  assertStringIncludes(issues.join("\n"), `events, events_default are held by ${held.who}`);
  assert(issues.some((issue) => issue.startsWith("Pending: ")));
  await held.holder`ROLLBACK`;
  assertEquals((await held.backend.verify()).issues.length, 1, "what is pending");
});

Deno.test("plan() leaves out the numbers of a table that is held, and says who holds it", async () => {
  await using held = await start(4, "deliveries");
  held.waits.length = 0;
  const plan = await held.backend.plan([5, 6, 7]);
  const [first, ...further] = held.waits;
  assertEquals(first, String(WAIT_MS));
  assert(further.length > 1 && further.every((ms) => ms === "1"), `one wait for all, not ${held.waits}`);
  assertStringIncludes(plan.held!, `deliveries, deliveries_default are held by ${held.who}`);
  assertEquals(plan.steps.length, 3);
  assertEquals(plan.steps[0]!.tables.map(({ name, rows }) => [name, rows]), [
    ["events", 42],
    ["deliveries", null],
    ["event_delivery_index", 20],
  ]);
  await held.holder`ROLLBACK`;
  const whole = await held.backend.plan([5]);
  assertEquals([whole.held, whole.steps[0]!.tables[1]!.rows], [undefined, 42]);
});

Deno.test("A plan and the way of each of its steps, read one after the other, wait for a held table once", async () => {
  await using held = await start(4, "deliveries");
  // Nothing waits for as long again after a wait in vain: time enough for what follows.
  const backend = backendOver(held.sql, { readWaitMs: 10 * WAIT_MS });
  await backend.plan([5, 6, 7], { together: true });
  held.waits.length = 0;
  const variants = await backend.variants([5, 6, 7]);
  assertEquals([...new Set(held.waits)], ["1"]);
  assertEquals(Object.keys(variants), ["sql/000005", "sql/000006", "sql/000007"]);
  await backend.blockers([5, 6, 7]);
});

Deno.test("read() tells who holds the bookkeeping instead of waiting for ever", async () => {
  await using held = await start(4, "schema_migrations");
  const error = await assertRejects(() => held.backend.read(), StoreUnreachableError);
  assertStringIncludes(error.message, `schema_migrations is held by ${held.who}`);
  await held.holder`ROLLBACK`;
  assertEquals((await held.backend.read()).version, 4);
});

Deno.test("blockers() waits for no table: a prepared transaction that has all to itself is named too", async () => {
  await using held = await start(4, "events, deliveries");
  await held.holder`PREPARE TRANSACTION 'forgotten'`;
  const blockers = await held.backend.blockers([5, 6, 7]);
  assertEquals(blockers.map(({ kind, object }) => [kind, object]), [["prepared_transaction", "forgotten"]]);
  await held.sql`ROLLBACK PREPARED 'forgotten'`;
});

Deno.test("lockOwner() answers while every table is held", async () => {
  await using held = await start(4, "schema_migrations, events, deliveries");
  assertEquals(await held.backend.lockOwner(), null);
});

Deno.test("A connection that ends in the middle of reading is a store that cannot be reached, and no fault of the program", async () => {
  await using held = await start(4, "events");
  const plan = assertRejects(() => held.backend.plan([5]), StoreUnreachableError);
  await eventually(async () => {
    const ended = await held.sql`
      SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'`;
    assert(ended.length > 0);
  });
  await plan;
  const idle = readAtOnce(
    { sql: held.sql, lease: { lockName: "lock", ttlMs: 30_000 } },
    new ReadPatience(),
    "read",
    async ({ query }) => {
      const [row] = await query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      await held.holder`SELECT pg_terminate_backend(${row!.pid})`;
      await eventually(async () => {
        assertEquals((await held.holder`SELECT FROM pg_stat_activity WHERE pid = ${row!.pid}`).length, 0);
      });
      await query("SELECT 1");
    },
  );
  await assertRejects(() => idle, StoreUnreachableError);
});
