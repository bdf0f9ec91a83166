import type postgres from "postgres";
import type { SqlBackend } from "../../../engine/sql_backend.ts";
import type { PostgresOptions } from "../../../engine/postgres/backend.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InterruptedError, LockLostError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { PinnedConnection } from "../../../engine/postgres/pinned_connection.ts";
import { TransactionRunner } from "../../../engine/postgres/transaction.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually, meanwhile } from "../../support/server.ts";
import {
  backendOver,
  everything,
  fill,
  locked,
  lockHolder,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "./deployment.ts";

import { stepOf } from "./test_step.ts";

/** Statement that is far longer than any test: only a cancellation ends it. */
const FOREVER = "SELECT pg_sleep(600)";

function slowBackend(sql: postgres.Sql, changes: Partial<PostgresOptions> = {}): SqlBackend {
  return backendOver(sql, {
    ...stepOf([{ text: "CREATE TABLE fine (n int)" }, { text: FOREVER }]),
    ...changes,
  });
}

Deno.test("up() gives way to readers beside a long transaction, and ends when that does", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql, { lockTimeoutMs: 200, lockRetries: 1000 });
  await migrateTo(backend, 4);
  await fill(sql);
  const long = await server.client(url, { max: 1 }).reserve();
  await long`BEGIN`;
  await long`SELECT count(*) FROM deliveries`;
  // A reader may wait as long as the step waits for its lock; the server itself ends one that waits longer than twice that.
  const reader = server.client(url, { max: 1, connection: { statement_timeout: 5000 } });
  await using session = await locked(backend);
  const retries: number[] = [];
  const done = meanwhile(session.up(5, running({ onRetry: (attempt) => void retries.push(attempt) })));
  let reads = 0;
  await eventually(async () => {
    await reader`SELECT count(*) FROM deliveries`;
    reads++;
    assert(retries.length >= 3);
  });
  assert(reads > 0);
  await long`COMMIT`;
  long.release();
  await done;
  assertEquals(retries.slice(0, 3), [1, 2, 3]);
  assertEquals(await outpostSchema(sql), releasedSchema(5));
});

Deno.test("up() gives up after its last retry, undone and with the way out", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql, { lockTimeoutMs: 50, lockRetries: 2 });
  await migrateTo(backend, 4);
  const before = await everything(sql);
  const long = await server.client(url, { max: 1 }).reserve();
  await long`BEGIN`;
  await long`LOCK TABLE deliveries IN ROW EXCLUSIVE MODE`;
  await using session = await locked(backend);
  const reasons: string[] = [];
  const error = await assertRejects(
    () => session.up(5, running({ onRetry: (_attempt, _wait, reason) => void reasons.push(reason) })),
    StepFailedError,
  );
  assertEquals(error.failure.serverCode, "55P03");
  assertStringIncludes(error.failure.statement, "LOCK TABLE");
  const [{ pid } = { pid: 0 }] = await long<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  assertStringIncludes(error.hint!, `held by process ${pid}`);
  assertEquals(reasons.length, 2);
  await long`ROLLBACK`;
  long.release();
  assertEquals(await everything(sql), before);
  await session.up(5, running());
});

Deno.test("up() keeps its work while it waits for the late lock alone", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql, { lockTimeoutMs: 50, lockRetries: 1000 });
  await migrateTo(backend, 4);
  await fill(sql);
  // A reader keeps nobody from the weaker locks that the long work needs.
  const long = await server.client(url, { max: 1 }).reserve();
  await long`BEGIN`;
  await long`SELECT count(*) FROM deliveries`;
  await using session = await locked(backend);
  const begun: string[] = [];
  let retries = 0;
  const done = session.up(
    5,
    running({
      onStatement: (_index, _count, text) => void begun.push(text),
      onRetry: () => void (++retries === 3 && long`COMMIT`.then(() => long.release())),
    }),
  );
  await done;
  assert(retries >= 3);
  assertEquals(begun.filter((text) => text.startsWith("INSERT INTO outpost_new_")).length, 2, "done once");
  assertEquals(await outpostSchema(sql), releasedSchema(5));
});

Deno.test("up() stops in the middle of a statement when it is told to, undone", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const slow = slowBackend(sql);
  await using session = await locked(slow);
  const stop = new AbortController();
  const done = meanwhile(session.up(1, running({ signal: stop.signal })));
  await eventually(async () => {
    const [row] =
      await sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = ${FOREVER} AND state = 'active'`;
    assertEquals(row!.n, 1);
  });
  stop.abort(new InterruptedError("Stop"));
  await assertRejects(() => done, InterruptedError);
  assertEquals((await slow.read()).version, 0);
  assertEquals(await outpostSchema(sql), []);
  // The session is whole.
  await session.ping();
});

Deno.test("up() commits nothing when the lock was lost, and reports that", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(sql);
  await using session = await locked(backend);
  await assertRejects(
    () => session.up(1, running({ beforeCommit: () => Promise.reject(new LockLostError("Lost the lock")) })),
    LockLostError,
    "Lost the lock",
  );
  assertEquals((await backend.read()).version, 0);
  const lost = new AbortController();
  const pid = await lockHolder(sql);
  await assertRejects(
    () =>
      session.up(
        1,
        running({
          signal: lost.signal,
          beforeCommit: () => Promise.resolve(lost.abort(new LockLostError("Lease over"))),
        }),
      ),
    LockLostError,
    "Lease over",
  );
  assertEquals(await lockHolder(sql), pid);
  assertEquals(await outpostSchema(sql), []);
});

Deno.test("up() tells statement, line, column, excerpt and what the server said, and leaves nothing", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(
    sql,
    stepOf([{ text: "CREATE TABLE fine (n int)" }, { text: "SELECT 1,\n  missing_column\nFROM fine" }]),
  );
  await using session = await locked(backend);
  const error = await assertRejects(() => session.up(1, running()), StepFailedError);
  assertEquals(error.failure.position, { line: 2, column: 3, excerpt: "  missing_column\n  ^" });
  assertEquals(error.failure.serverCode, "42703");
  assertEquals(error.failure.id, "sql/000001");
  assertStringIncludes(error.message, `column "missing_column" does not exist at line 2, column 3`);
  assertEquals(await outpostSchema(sql), []);
  const duplicate = backendOver(
    sql,
    stepOf([{ text: "CREATE TABLE one (n int PRIMARY KEY)" }, { text: "INSERT INTO one VALUES (1), (1)" }]),
  );
  await using other = await duplicate.connect();
  const second = await assertRejects(() => other.up(1, running()), StepFailedError);
  assertEquals([second.failure.serverCode, second.failure.detail], ["23505", "Key (n)=(1) already exists."]);
});

Deno.test("up() ends a statement that takes longer than allowed", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = slowBackend(sql, { statementTimeoutMs: 50 });
  await using session = await locked(backend);
  const error = await assertRejects(() => session.up(1, running()), StepFailedError);
  assertEquals(error.failure.serverCode, "57014");
  assertStringIncludes(error.hint!, "more time");
  assertEquals((await backend.read()).version, 0);
});

Deno.test("TransactionRunner.run() reports a transaction that the server rolled back instead of committing", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 1 });
  await using connection = await PinnedConnection.open(sql);
  const runner = new TransactionRunner(connection, { lease: { lockName: "lock", ttlMs: 30_000 } });
  const unseen = runner.run("sql/000001", running(), async (query) => {
    await query("CREATE TABLE fine (n int)");
    await connection.query("SELECT 1 / 0").catch(() => {});
  });
  await assertRejects(() => unseen, StepFailedError, "the server undid it");
  assertEquals(await outpostSchema(sql), []);
});

Deno.test("up() is not ended by what an operator set for short transactions", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase("log");
  const admin = server.client(url, { max: 1 });
  await migrateTo(backendOver(admin), 4);
  await fill(admin);
  const rows =
    await admin`SELECT to_jsonb(d) AS row FROM deliveries d WHERE event_id LIKE 'evt_gone%' ORDER BY id`;
  const settings = {
    statement_timeout: "'1s'",
    lock_timeout: "'1h'",
    idle_in_transaction_session_timeout: "'1s'",
    default_transaction_read_only: "on",
    default_transaction_isolation: "serializable",
    timezone: "'Asia/Tokyo'",
  };
  for (const [name, value] of Object.entries(settings)) {
    await admin.unsafe(`ALTER DATABASE log SET ${name} = ${value}`);
  }
  const long = await admin.reserve();
  await long`BEGIN`;
  await long`SELECT count(*) FROM deliveries`;
  const sql = server.client(url, { max: 2 });
  await using session = await locked(backendOver(sql, { lockTimeoutMs: 50, lockRetries: 1000 }));
  let retries = 0;
  let pauses = 0;
  await session.up(
    5,
    running({
      onRetry: () => void (++retries === 3 && long`COMMIT`.then(() => long.release())),
      // Longer than the server waits for a transaction by these settings.
      onStatement: () =>
        void (++pauses === 2 && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)),
    }),
  );
  assert(retries >= 3 && pauses >= 2);
  for (let version = 6; version <= 10; version++) await session.up(version, running());
  const kept =
    await admin`SELECT row FROM outpost_quarantine WHERE source_table = 'deliveries' ORDER BY row->>'id'`;
  assertEquals([...kept], [...rows], "times are kept in UTC");
});

Deno.test("TransactionRunner.run() has its settings with its beginning, however long the program thinks between", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase("log");
  const admin = server.client(url, { max: 1 });
  await admin`ALTER DATABASE log SET idle_in_transaction_session_timeout = '10ms'`;
  await using connection = await PinnedConnection.open(server.client(url, { max: 1 }));
  const query = connection.query.bind(connection);
  connection.query = async (...statement) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return await query(...statement);
  };
  const runner = new TransactionRunner(connection, { lease: { lockName: "lock", ttlMs: 30_000 } });
  await runner.run("sql/000001", running(), async (query) => void await query("CREATE TABLE fine (n int)"));
  assertEquals([...await admin`SELECT to_regclass('fine') IS NOT NULL AS there`], [{ there: true }]);
});

Deno.test("A connection that was lost refuses every query, and breaks nothing", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 1 });
  await using connection = await PinnedConnection.open(sql);
  await sql`SELECT pg_terminate_backend(${connection.backendPid})`;
  await eventually(() => assert(connection.lost));
  await assertRejects(() => connection.directly("SELECT 1"), Error, "connection closed");
  // What is thrown at the next turn of the event loop would fail this test.
  await new Promise((resolve) => setTimeout(resolve, 50));
});
