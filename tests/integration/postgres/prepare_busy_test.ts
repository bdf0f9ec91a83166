/** Whatever an application does meanwhile, what was prepared takes its place, and every write is there. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type postgres from "postgres";
import { RefusedError } from "../../../engine/errors.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import { backendOver, fill, locked, migrateTo, running } from "./deployment.ts";

const VERSIONS = [5, 6, 7, 8, 9, 10];

/** A database at version 4 with a few rows, and all after it prepared. */
async function prepared(settings: Readonly<Record<string, string>> = {}) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres(settings));
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 3 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  {
    await using session = await locked(backend);
    await session.prepare!(VERSIONS, running());
  }
  const moved = stack.move();
  return { server, url, sql, backend, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const writeMany = (sql: Pick<postgres.Sql, "unsafe">, round: number, rows: number) =>
  sql.unsafe(`
    INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
    SELECT 'many_${round}_' || n, 't', 'd', now(), 'topic', true, '{}', '{}' FROM generate_series(1, ${rows}) n`);

Deno.test("A switch takes in what is written faster than it can be, and ends", async () => {
  await using deployment = await prepared();
  const { server, url, sql, backend } = deployment;
  // With every transaction of the run more is written than it took in, up to the switch itself, which keeps writers away.
  const application = server.client(url, { max: 1, connection: { lock_timeout: 1 } });
  let [round, written] = [0, 1500];
  await writeMany(application, 0, written);
  {
    await using session = await locked(backend);
    await session.upTogether(
      VERSIONS,
      running({
        beforeCommit: async () => {
          const rows = 1500 + 100 * round;
          const done = await writeMany(application, ++round, rows).then(() => true, () => false);
          if (done) written += rows;
        },
      }),
    );
  }
  assert(written > 1500, "it wrote meanwhile");
  assertEquals([...await sql`SELECT count(*)::int AS n FROM events WHERE id LIKE 'many%'`], [{ n: written }]);
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("A switch that writers outrun in every moment ends, says so, and is had once they stop", async () => {
  await using deployment = await prepared();
  const { server, url, sql, backend } = deployment;
  const application = server.client(url, { max: 1 });
  let round = 0;
  let writing: Promise<unknown> = Promise.resolve();
  await using session = await locked(backendOver(sql, { lockTimeoutMs: 20, lockRetries: 1000 }));
  const error = await assertRejects(() =>
    session.upTogether(
      VERSIONS,
      running({
        // More than is taken in at once, and in the queue before the run lets go of its lock.
        beforeCommit: async () => {
          await writing;
          writing = writeMany(application, ++round, 2500);
          if (round === 1) return void await writing;
          // What goes wrong with it is told where it is awaited.
          writing.catch(() => {});
          await eventually(async () =>
            assert((await sql`SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'`).length > 0)
          );
        },
      }),
    ), RefusedError);
  assertMatch(error.message, /more than can be taken in meanwhile \(\d+ writes are left\)/);
  await writing;
  assertEquals((await backend.read()).version, 4);
  await session.upTogether(VERSIONS, running());
  assertEquals([...await sql`SELECT count(*)::int AS n FROM events WHERE id LIKE 'many%'`], [{
    n: round * 2500,
  }]);
});

Deno.test("A switch is had beside an application that reads one table and then writes another, all the time", async () => {
  await using deployment = await prepared({ deadlock_timeout: "20s" });
  const { server, url, sql, backend } = deployment;
  const application = server.client(url, { max: 1 });
  const inTheWay = async () =>
    (await sql`SELECT FROM pg_locks WHERE locktype = 'relation'
                  AND (NOT granted OR mode = 'ShareRowExclusiveLock' AND relation = 'events'::regclass)`)
      .length > 0;
  let [commits, over, retries] = [0, false, 0];
  const writing = (async () => {
    for (let n = 0; !over; n++) {
      const before = retries;
      try {
        await application.begin(async (transaction) => {
          await transaction`SELECT count(*) FROM deliveries`;
          // On a slow machine this counts as a long transaction, which is waited for first.
          await eventually(async () => assert(over || retries > before || await inTheWay()), 120_000);
          await transaction`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
            VALUES (${`read_${n}`}, 't', 'd', now(), 'topic', true, '{}', '{}')`;
        });
        commits++;
      } catch (error) {
        // The table, or one of its columns.
        assert(["42P01", "42703"].includes((error as { code?: string }).code ?? ""), String(error));
        return;
      }
    }
  })();
  await using session = await locked(backend);
  const switched = session.upTogether(VERSIONS, running({ onRetry: () => void retries++ }))
    .finally(() => over = true);
  await Promise.all([switched, writing]);
  assert(commits > 0, "it wrote meanwhile");
  assertEquals([...await sql`SELECT count(*)::int AS n FROM events WHERE id LIKE 'read%'`], [{ n: commits }]);
});

Deno.test("A write that was noted before others, and committed after them, is taken in", async () => {
  await using deployment = await prepared();
  const { server, url, sql, backend } = deployment;
  await writeMany(sql, 1, 1500);
  // The newest transactions of all, so that no later one is over before them.
  const open = await Promise.all([2, 3].map(async (round) => {
    const session = await server.client(url, { max: 1 }).reserve();
    await session`BEGIN`;
    await writeMany(session, round, 1);
    return session;
  }));
  let commits = 0;
  await using session = await locked(backend);
  await session.upTogether(
    VERSIONS,
    running({
      // After a look at how much there is, and two batches.
      beforeCommit: async () => {
        if (++commits === 3) await Promise.all(open.map((one) => one`COMMIT`));
      },
    }),
  );
  for (const one of open) one.release();
  assertEquals([...await sql`SELECT count(*)::int AS n FROM events WHERE id LIKE 'many%'`], [{ n: 1502 }]);
});

Deno.test("What was taken in costs nothing any more while somebody reads an old state", async () => {
  await using deployment = await prepared();
  const { server, url, sql, backend } = deployment;
  const backup = await server.client(url, { max: 1 }).reserve();
  await backup`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`;
  await backup`SELECT count(*) FROM events`;
  const rows = 12_000;
  await writeMany(sql, 1, rows);
  {
    await using session = await locked(backend);
    await session.prepare!(VERSIONS, running());
  }
  // The server's counters are complete once a connection is over.
  await eventually(async () => {
    const [index] = await sql<{ read: number }[]>`SELECT idx_tup_read::int AS read FROM pg_stat_user_indexes
      WHERE relname = 'outpost_prepared_notes_1' AND indexrelname LIKE '%pkey'`;
    assert(index!.read >= rows, `${index!.read} entries were read`);
    assert(index!.read < 4 * rows, `${index!.read} entries were read for ${rows} notes`);
  });
  await backup`COMMIT`;
  backup.release();
});
