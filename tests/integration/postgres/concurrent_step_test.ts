import { assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import type { SqlBackend } from "../../../engine/sql_backend.ts";
import { LockLostError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import { backendOver, locked, lockHolder, running } from "./deployment.ts";
import { stepOf } from "./test_step.ts";

const BUILD = { text: "CREATE UNIQUE INDEX CONCURRENTLY one_n ON one (n)", buildsIndex: "one_n" };

/** A database with a table to index, and a step that does so beside the application. */
async function prepared(sql: postgres.Sql): Promise<SqlBackend> {
  await sql`CREATE TABLE one (n int)`;
  await sql`INSERT INTO one SELECT generate_series(1, 100)`;
  return backendOver(
    sql,
    stepOf([BUILD, { text: "CREATE INDEX CONCURRENTLY two_n ON one (n, n)", buildsIndex: "two_n" }], {
      transactional: false,
      down: [{ text: "DROP INDEX CONCURRENTLY IF EXISTS one_n" }, {
        text: "DROP INDEX CONCURRENTLY IF EXISTS two_n",
      }],
    }),
  );
}

const indexes = async (sql: postgres.Sql) => {
  const rows = await sql<{ name: string; valid: boolean }[]>`
    SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index WHERE indrelid = 'one'::regclass ORDER BY 1`;
  return Object.fromEntries(rows.map(({ name, valid }) => [name, valid]));
};

Deno.test("up() runs a step without a transaction, recorded before and after, and down() takes it back", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = await prepared(sql);
  await using session = await locked(backend);
  await session.up(1, running());
  assertEquals(await indexes(sql), { one_n: true, two_n: true });
  assertEquals((await backend.read()).entries.map(({ status }) => status), ["applied"]);
  await session.down(1, running());
  assertEquals(await indexes(sql), {});
  assertEquals((await backend.read()).version, 0);
});

Deno.test("up() repairs an invalid index that a failure left, and is shown as failed until then", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = await prepared(sql);
  await sql`INSERT INTO one VALUES (1)`;
  await using session = await locked(backend);
  const error = await assertRejects(() => session.up(1, running()), StepFailedError);
  assertEquals(error.failure.serverCode, "23505");
  assertEquals(await indexes(sql), { one_n: false });
  const state = await backend.read();
  assertEquals([state.version, state.entries[0]!.status, state.dirty], [0, "failed", false]);
  assertEquals((await backend.verify()).ok, false);
  await sql`DELETE FROM one WHERE ctid IN (SELECT max(ctid) FROM one)`;
  await session.up(1, running());
  assertEquals(await indexes(sql), { one_n: true, two_n: true });
  assertEquals((await backend.read()).entries[0]!.status, "applied");
});

Deno.test("up() says that what ran before a failure stays, and does the rest once the cause is gone", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  await sql`CREATE TABLE divisors (n int)`;
  await sql`INSERT INTO divisors VALUES (0)`;
  const backend = backendOver(
    sql,
    stepOf([{ text: "CREATE TABLE IF NOT EXISTS one (n int)" }, { text: "SELECT 1 / n FROM divisors" }], {
      transactional: false,
    }),
  );
  await using session = await locked(backend);
  const { hint } = await assertRejects(() => session.up(1, running()), StepFailedError);
  assertEquals(hint, "Remove the cause and make the same call again: what is done stays done");
  assertEquals(await indexes(sql), {});
  await sql`DELETE FROM divisors`;
  await session.up(1, running());
  assertEquals((await backend.read()).entries[0]!.status, "applied");
});

Deno.test("up() continues a step without a transaction that was killed at any statement", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = await prepared(sql);
  for (const at of [0, 1]) {
    await using session = await locked(backend);
    const pid = await lockHolder(sql);
    await assertRejects(
      () =>
        session.up(1, running({ onStatement: (index) => void (index === at && Deno.kill(pid, "SIGTERM")) })),
      LockLostError,
    );
    assertEquals((await backend.read()).entries[0]!.status, "failed");
  }
  {
    // Killed in the middle of a build, which waits for this transaction.
    await sql`DROP INDEX IF EXISTS one_n`;
    const long = await server.client(url, { max: 1 }).reserve();
    await long`BEGIN`;
    await long`INSERT INTO one VALUES (1000)`;
    await using session = await locked(backend);
    const pid = await lockHolder(sql);
    const killed = assertRejects(() => session.up(1, running()), LockLostError);
    await eventually(async () => assertEquals((await indexes(sql)).one_n, false));
    Deno.kill(pid, "SIGTERM");
    await killed;
    await long`COMMIT`;
    long.release();
    assertEquals((await indexes(sql)).one_n, false);
  }
  await using session = await locked(backend);
  await session.up(1, running());
  assertEquals(await indexes(sql), { one_n: true, two_n: true });
});
