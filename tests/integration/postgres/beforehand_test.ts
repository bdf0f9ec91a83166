/** Step 8 by itself builds its index beside the application, and whatever cuts it off leaves nothing in the way of anybody. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import { LockLostError } from "../../../engine/errors.ts";
import { golangMigrateLockKey } from "../../../engine/postgres/lock.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import {
  backendOver,
  contents,
  fill,
  locked,
  lockHolder,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "./deployment.ts";

/** The statements of a released Outpost, sent as golang-migrate does: all in one message. */
const RELEASED = `ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT '';
CREATE INDEX idx_attempts_tenant_desttype_time ON attempts (tenant_id, destination_type, time DESC, id DESC);
UPDATE schema_migrations SET version = 8`;

/** All that is wrong at version 8. */
const PENDING = ["Pending: sql/000009, sql/000010"];

/** Far more than what 63 bytes leave of it in the name of an index. */
const LONG = "attempts_of_the_year_two_thousand_and_twenty_seven";

/** A log at version 7; with `partitions` of an operator's own as well, one within another. */
async function start(server: PostgresServer, { partitions = false } = {}) {
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 4 });
  await migrateTo(backendOver(sql), 4);
  await fill(sql);
  await migrateTo(backendOver(sql), 7);
  if (partitions) {
    await sql.unsafe(`
      CREATE TABLE ${LONG} PARTITION OF attempts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
      CREATE TABLE attempts_2028 PARTITION OF attempts FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')
        PARTITION BY RANGE (time);
      CREATE TABLE attempts_2028_01 PARTITION OF attempts_2028 FOR VALUES FROM ('2028-01-01') TO ('2028-02-01')`);
  }
  return { url, sql, backend: backendOver(sql) };
}

const insert = (sql: postgres.Sql, id: string, time: string) =>
  sql`INSERT INTO attempts (id, event_id, destination_id, status, time, manual, attempt_number, tenant_id, topic, event_time,
                            eligible_for_retry, event_data, event_metadata)
      VALUES (${id}, 'e', 'd', 'success', ${time}, false, 0, 't', 'topic', now(), true, '{}', '{}')`;

/** What is there of the step before it is done. */
const left = async (sql: postgres.Sql) => {
  const rows = await sql<{ name: string }[]>`
    SELECT attrelid::regclass::text AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE attname = 'outpost_destination_type' AND relkind IN ('r', 'p')
     UNION SELECT relname::text FROM pg_class WHERE relname LIKE 'outpost_destination_type%'`;
  return rows.map(({ name }) => name);
};

Deno.test("Step 8 leaves the schema of the released statements, whatever partitions there are", async () => {
  await using server = await startPostgres();
  const [ours, theirs] = [
    await start(server, { partitions: true }),
    await start(server, { partitions: true }),
  ];
  const plan = await ours.backend.plan([8]);
  assert(plan.steps[0]!.statements.some((text) => text.includes("CONCURRENTLY")));
  await migrateTo(ours.backend, 8);
  await theirs.sql.unsafe(RELEASED);
  assertEquals(await outpostSchema(ours.sql), await outpostSchema(theirs.sql));
  assertEquals(await contents(ours.sql), await contents(theirs.sql));
  assertEquals((await ours.backend.verify()).warnings, []);
  assertEquals(await left(ours.sql), []);
});

Deno.test("An application reads and writes beside the build of step 8, which waits for old transactions alone", async () => {
  await using server = await startPostgres();
  const { url, sql, backend } = await start(server);
  const application = server.client(url, { max: 1, connection: { lock_timeout: 100 } });
  await using session = await locked(backend);
  const pid = await lockHolder(sql);
  // No lock on the tables, but an old state of the database.
  const old = await server.client(url, { max: 1 }).reserve();
  await old`BEGIN ISOLATION LEVEL REPEATABLE READ`;
  await old`SELECT FROM schema_migrations`;
  const up = session.up(8, running());
  await eventually(async () =>
    assert((await sql`SELECT FROM pg_locks WHERE pid = ${pid} AND NOT granted`).length > 0)
  );
  await insert(application, "beside", "2026-01-01");
  assertEquals((await application`SELECT FROM attempts WHERE id = 'beside'`).length, 1);
  await old`COMMIT`;
  await up;
  assertEquals([...await sql`SELECT destination_type FROM attempts WHERE id = 'beside'`], [{
    destination_type: "",
  }]);
  assertEquals(await outpostSchema(sql), releasedSchema(8));
});

Deno.test("Step 8 goes on after a kill at any moment, with what was built, and golang-migrate does its own", async () => {
  await using server = await startPostgres();
  const undisturbed = await start(server);
  const count = (await undisturbed.backend.plan([8])).steps[0]!.statements.length;
  const database = new URL(undisturbed.url).pathname.slice(1);
  const urls: string[] = [];
  for (let at = 0; at <= count; at++) urls.push(await server.copyDatabase(database, `killed_${at}`));
  await migrateTo(undisturbed.backend, 8);
  const before = await contents(undisturbed.sql);
  for (const [at, url] of urls.entries()) {
    const sql = server.client(url, { max: 2 });
    const backend = backendOver(sql);
    {
      await using session = await locked(backend);
      const pid = await lockHolder(sql);
      let asked = 0;
      const options = running({
        onStatement: (index) => void (index === at && Deno.kill(pid, "SIGTERM")),
        // The commit itself.
        beforeCommit: async () => {
          if (at === count && ++asked === 2) await sql`SELECT pg_terminate_backend(${pid}, 5000)`;
        },
      });
      await assertRejects(() => session.up(8, options), LockLostError, undefined, `killed at ${at}`);
    }
    assertEquals((await backend.read()).version, 7);
    const [columns] = await sql`SELECT count(*)::int AS n FROM pg_attribute
      WHERE attrelid = 'attempts'::regclass AND attname = 'destination_type'`;
    assertEquals(columns!.n, 0, `nothing that golang-migrate would stumble over, after ${at}`);
    if (at % 2 === 0) {
      await sql.unsafe(RELEASED);
      const { issues, warnings } = await backend.verify();
      assertEquals(issues, PENDING);
      const begun = (await left(sql)).length > 0;
      assertEquals(warnings.some((text) => text.includes("ALTER TABLE attempts DROP COLUMN")), begun);
      // Whatever is done next takes it away.
      await using session = await locked(backend);
      await session.up(9, running());
      await session.down(9, running());
    } else {
      await migrateTo(backend, 8);
    }
    assertEquals(await left(sql), [], `after a kill at ${at}`);
    assertEquals(await outpostSchema(sql), releasedSchema(8), `after a kill at ${at}`);
    assertEquals(await contents(sql), before, `after a kill at ${at}`);
  }
});

Deno.test("What a cut-off build of step 8 left is in the way of no steps that run as one", async () => {
  await using server = await startPostgres();
  const { url, sql, backend } = await start(server);
  const old = await server.client(url, { max: 1 }).reserve();
  await old`BEGIN ISOLATION LEVEL REPEATABLE READ`;
  await old`SELECT FROM schema_migrations`;
  for (const _ of ["built", "dropped and built anew"]) {
    await using session = await locked(backendOver(sql, { lockTimeoutMs: 50, lockRetries: 1 }));
    const error = await assertRejects(() => session.up(8, running()), StepFailedError);
    assertEquals(error.failure.serverCode, "55P03");
    assertEquals((await sql`SELECT FROM pg_index WHERE NOT indisvalid`).length, 1);
  }
  await old`COMMIT`;
  assertEquals((await backend.group([8, 9, 10])).together, [8, 9, 10]);
  {
    await using session = await locked(backend);
    await session.upTogether([8, 9, 10], running());
  }
  assertEquals(await left(sql), []);
  assertEquals(await outpostSchema(sql), releasedSchema(10));
});

Deno.test("A partition that is attached once step 8 has built its index gets one too", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await using session = await locked(backend);
  let [built, attached] = [false, null as Promise<unknown> | null];
  await session.up(
    8,
    running({
      onStatement: (_index, _count, text) => {
        if (!built) return void (built = text.includes("CONCURRENTLY"));
        attached ??=
          sql`CREATE TABLE attempts_2030 PARTITION OF attempts FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')`;
      },
    }),
  );
  await attached;
  await insert(sql, "far", "2030-05-05");
  const invalid = await sql`SELECT FROM pg_index WHERE NOT indisvalid`;
  assertEquals(invalid.length, 0);
  const found = (await outpostSchema(sql)).find(({ name }) => name === "attempts_2030")!;
  assert(found.indexes.some(({ parent }) => parent === "idx_attempts_tenant_desttype_time"));
  assertEquals((await backend.verify()).issues, PENDING);
});

Deno.test("Step 8 and an old server that starts meanwhile wait for each other, until Postgres ends one; the same command goes on", async () => {
  await using server = await startPostgres();
  const { url, sql, backend } = await start(server);
  const [{ name }] = await sql<[{ name: string }]>`SELECT current_database() AS name`;
  const key = String(golangMigrateLockKey("public", "schema_migrations", name));
  const old = server.client(url, { max: 1 });
  let cutOff: Error | undefined;
  let started: Promise<boolean>;
  {
    await using session = await locked(backend);
    // golang-migrate does so when it is opened, whether or not there is anything to do for it.
    started = old`SELECT pg_advisory_lock(${key}::bigint)`.then(() => true, () => false);
    await eventually(async () =>
      assertEquals((await sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`).length, 1)
    );
    cutOff = await session.up(8, running()).then(() => undefined, (error) => error);
  }
  if (cutOff !== undefined) {
    assertEquals(cutOff instanceof StepFailedError && cutOff.failure.serverCode, "40P01");
    assert(await started, "nobody else was ended");
    assertEquals([...await sql`SELECT version::int, dirty FROM schema_migrations`], [{
      version: 7,
      dirty: false,
    }]);
    await old`SELECT pg_advisory_unlock(${key}::bigint)`;
    await migrateTo(backend, 8);
  } else assertEquals(await started, false);
  assertEquals(await outpostSchema(sql), releasedSchema(8));
  assertEquals(await left(sql), []);
});
