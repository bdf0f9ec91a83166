import type postgres from "postgres";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LockLostError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { lockTables } from "../../../migrations/sql/lock_tables.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually, meanwhile } from "../../support/server.ts";
import {
  backendOver,
  fill,
  locked,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "./deployment.ts";
import { stepOf } from "./test_step.ts";

/** A transaction of an application, open until it is told to end. */
async function transaction(
  sql: postgres.Sql,
  ...statements: readonly string[]
): Promise<postgres.ReservedSql> {
  const session = await sql.reserve();
  await session`BEGIN`;
  for (const statement of statements) await session.unsafe(statement);
  return session;
}

const waitingIn = (sql: postgres.Sql) =>
  sql`SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'`;

/** Work under a weak lock, then a late strong one. */
function late(seconds: number) {
  return stepOf([
    lockTables(["t"], "SHARE ROW EXCLUSIVE"),
    { text: `SELECT pg_sleep(${seconds})` },
    { ...lockTables(["t"], "ACCESS EXCLUSIVE"), retriesAlone: true },
    { text: "ALTER TABLE t ADD COLUMN m int" },
  ]);
}

Deno.test("up() waits outside of the queue behind a long reader, names it, and holds nobody up meanwhile", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql, { lockRetries: 1000 });
  await migrateTo(backend, 7);
  const long = await transaction(
    server.client(url, { max: 1, connection: { application_name: "nightly report" } }),
    "SELECT count(*) FROM attempts",
  );
  await eventually(async () => {
    const [row] =
      await sql`SELECT clock_timestamp() - xact_start > interval '600 ms' AS old FROM pg_stat_activity
                             WHERE application_name = 'nightly report'`;
    assert(row!.old);
  });
  await using session = await locked(backend);
  const reasons: string[] = [];
  const done = meanwhile(
    session.up(8, running({ onRetry: (_attempt, _wait, reason) => void reasons.push(reason) })),
  );
  await eventually(async () => {
    assertEquals([...await waitingIn(sql)], []);
    await sql`SELECT count(*) FROM attempts`;
    assert(reasons.length >= 3);
  });
  const [{ pid } = { pid: 0 }] = await long<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  for (const reason of reasons) {
    assertStringIncludes(
      reason,
      `process ${pid} (nightly report, user postgres), idle in transaction since 20`,
    );
  }
  await long`COMMIT`;
  long.release();
  await done;
  assertEquals(await outpostSchema(sql), releasedSchema(8));
});

Deno.test("up() sends an autovacuum away at the first try", async () => {
  await using server = await startPostgres({
    autovacuum_naptime: "1s",
    autovacuum_vacuum_cost_delay: "100ms",
  });
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql, { lockRetries: 0 });
  await migrateTo(backend, 4);
  await fill(sql, 2000);
  await sql.unsafe(
    `ALTER TABLE events_default SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
      autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
    DELETE FROM events WHERE id LIKE 'evt_1%'`,
  );
  const vacuums = () =>
    sql`SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%public.events_default%'`;
  await eventually(async () => assert((await vacuums()).length > 0), 60_000);
  await using session = await locked(backend);
  const before = await vacuums();
  await session.up(5, running());
  assert(before.length > 0, "it was at work when the step began");
  assertEquals(await outpostSchema(sql), releasedSchema(5));
});

Deno.test("up() waits for a late lock for as long as the work took that would be lost", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  await sql`CREATE TABLE t (n int)`;
  // Long enough for four tries on any machine.
  const backend = backendOver(sql, { ...late(5), lockTimeoutMs: 50, lockRetries: 2 });
  const long = await transaction(server.client(url, { max: 1 }), "SELECT count(*) FROM t");
  await using session = await locked(backend);
  const begun: string[] = [];
  let retries = 0;
  await session.up(
    1,
    running({
      onStatement: (_index, _count, text) => void begun.push(text),
      onRetry: () => void (++retries === 4 && long`COMMIT`.then(() => long.release())),
    }),
  );
  assertEquals(retries, 4);
  assertEquals(begun.filter((text) => text.includes("pg_sleep")).length, 1, "the work was done once");
});

Deno.test("up() steps back at once from a late lock whose holder waits for the step itself", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  await sql`CREATE TABLE t (n int)`;
  const backend = backendOver(sql, { ...late(0.5), lockTimeoutMs: 50, lockRetries: 4 });
  const application = await transaction(server.client(url, { max: 1 }), "SELECT count(*) FROM t");
  await using session = await locked(backend);
  const reasons: string[] = [];
  let writing: Promise<unknown> | undefined;
  await session.up(
    1,
    running({
      onStatement: (index) => {
        if (index === 1) writing ??= application`INSERT INTO t VALUES (1)`.then(() => application`COMMIT`);
      },
      onRetry: (_attempt, _wait, reason) => void reasons.push(reason),
    }),
  );
  await writing;
  application.release();
  assertEquals(reasons.length, 1);
  assertStringIncludes(reasons[0]!, "waits for this step");
  assertEquals([...await sql`SELECT n FROM t`], [{ n: 1 }]);
});

Deno.test("up() takes its locks in the order in which an application writes, wherever that one began", async () => {
  await using server = await startPostgres({ deadlock_timeout: "20s" });
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  await sql.unsafe("CREATE TABLE a (n int); CREATE TABLE b (n int); CREATE TABLE c (n int)");
  const backend = backendOver(sql, {
    ...stepOf([
      lockTables(["a", "b", "c"], "SHARE ROW EXCLUSIVE"),
      { text: "ALTER TABLE a ADD COLUMN m int" },
    ]),
    lockTimeoutMs: 100,
    lockRetries: 20,
  });
  const application = server.client(url, { max: 1 });
  let [tries, commits, done] = [0, 0, false];
  /** Never out of a transaction for longer than it takes to begin the next one, and in each until the step is in its way. */
  const writing = meanwhile((async () => {
    while (!done) {
      const begun = tries;
      await application.begin(async (transaction) => {
        await transaction`INSERT INTO c VALUES (1)`;
        await transaction`INSERT INTO b VALUES (1)`;
        await eventually(async () => assert(done || tries > begun || (await waitingIn(sql)).length > 0));
        await transaction`INSERT INTO a (n) VALUES (1)`;
      });
      commits++;
    }
  })());
  await using session = await locked(backend);
  await eventually(async () =>
    assert((await sql`SELECT FROM pg_locks WHERE relation = 'b'::regclass`).length > 0)
  );
  const applied = meanwhile(
    session.up(1, running({ onRetry: () => void tries++ })).finally(() => done = true),
  );
  await Promise.all([applied, writing]);
  assertEquals([...await sql`SELECT count(*)::int AS n FROM a`], [{ n: commits }]);
});

Deno.test("up() names a prepared transaction that holds a table", async () => {
  await using server = await startPostgres({ max_prepared_transactions: "5" });
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(sql, { lockTimeoutMs: 50, lockRetries: 1 });
  await migrateTo(backend, 8);
  const session = await transaction(sql, "LOCK TABLE attempts IN ACCESS SHARE MODE", "SELECT txid_current()");
  await session.unsafe("PREPARE TRANSACTION 'left over'");
  session.release();
  await using run = await locked(backend);
  const error = await assertRejects(() => run.up(9, running()), StepFailedError);
  assertEquals(error.failure.serverCode, "55P03");
  assertStringIncludes(error.hint!, 'prepared transaction "left over" since 20');
  await sql.unsafe("ROLLBACK PREPARED 'left over'");
});

Deno.test("The server ends a run that is frozen within its transaction after one lease, and readers go on", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(sql, { lease: { lockName: "lock", ttlMs: 500 } });
  await migrateTo(backend, 4);
  await using session = await locked(backend);
  const thaw = Promise.withResolvers<void>();
  const frozen = Promise.withResolvers<void>();
  const run = session.up(
    5,
    running({
      beforeCommit: () => {
        frozen.resolve();
        return thaw.promise;
      },
    }),
  );
  const ended = meanwhile(assertRejects(() => run, LockLostError));
  await frozen.promise;
  await sql`SELECT count(*) FROM deliveries`;
  thaw.resolve();
  await ended;
  assertEquals((await backend.read()).version, 4);
});
