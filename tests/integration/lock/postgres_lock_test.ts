/** The advisory lock alone: whom it excludes, who sees it, and whose connection is ended. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import { LockLostError } from "../../../engine/errors.ts";
import type { LockOwner } from "../../../engine/lock/lock.ts";
import {
  confirmAdvisoryLock,
  readAdvisoryLockOwner,
  releaseAdvisoryLock,
  tryAdvisoryLock,
} from "../../../engine/postgres/lock.ts";
import { queryThrough } from "../../../engine/postgres/query.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";

const key = 3678975955n;
const options = { key, lockName: "outpost:migration:lock", ttlMs: 300, toolName: "outpost" };

/** Waits until a backend has been in a state for longer than the lease of these tests. */
async function longIn(sql: postgres.Sql, state: string): Promise<void> {
  await eventually(async () => {
    const [row] = await sql<{ state: string; ms: number }[]>`
      select a.state, 1000 * extract(epoch from clock_timestamp() - a.state_change)::float8 as ms
      from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.objid::bigint = ${String(key)}::bigint`;
    assertEquals(row?.state, state);
    assert(row!.ms > options.ttlMs);
  });
}

Deno.test("tryAdvisoryLock() takes the lock once, and readAdvisoryLockOwner() shows it to every role", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const [one, two, admin] = [1, 2, 3].map(() => server.client(url, { max: 1 }));
  const [first, second] = [await one!.reserve(), await two!.reserve()];
  assertEquals(await readAdvisoryLockOwner(queryThrough(admin!), key), null);
  assertEquals(await tryAdvisoryLock(queryThrough(first), { ...options, lease: null }), null);
  await confirmAdvisoryLock(queryThrough(first), key);
  await assertRejects(() => confirmAdvisoryLock(queryThrough(second), key), LockLostError);
  const owner = await tryAdvisoryLock(queryThrough(second), { ...options, lease: "b" });
  assertEquals([owner?.source, owner?.host, owner?.alive], ["postgres", "127.0.0.1", true]);
  await admin!`create role reader login`;
  const readerUrl = new URL(url);
  readerUrl.username = "reader";
  const seen = await readAdvisoryLockOwner(queryThrough(server.client(readerUrl.href)), key);
  assertEquals([seen?.source, seen?.command], ["postgres", "outpost"]);
  await releaseAdvisoryLock(queryThrough(second), key);
  await confirmAdvisoryLock(queryThrough(first), key);
  await releaseAdvisoryLock(queryThrough(first), key);
  assertEquals(await readAdvisoryLockOwner(queryThrough(admin!), key), null);
  // Another database of the same server has a lock of its own.
  assertEquals(await tryAdvisoryLock(queryThrough(first), { ...options, lease: null }), null);
  const elsewhere = await server.client(await server.createDatabase(), { max: 1 }).reserve();
  assertEquals(await tryAdvisoryLock(queryThrough(elsewhere), { ...options, lease: null }), null);
});

Deno.test("tryAdvisoryLock() ends a connection whose lease ran out and that idles, and undoes its transaction", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const [one, two, admin] = [1, 2, 3].map(() => server.client(url, { max: 1 }));
  await admin!`create table t (n int)`;
  const [stale, next] = [await one!.reserve(), await two!.reserve()];
  assertEquals(await tryAdvisoryLock(queryThrough(stale), { ...options, lease: "old" }), null);
  await stale`begin`;
  await stale`insert into t values (1)`;
  await longIn(admin!, "idle in transaction");
  // The version of a tool may be part of its name.
  assertEquals(
    await tryAdvisoryLock(queryThrough(next), { ...options, toolName: "outpost 2", lease: "new" }),
    null,
  );
  await confirmAdvisoryLock(queryThrough(next), key);
  assertEquals((await admin!`select * from t`).length, 0);
});

Deno.test("tryAdvisoryLock() ends no connection that works, pings, has another lock, no lease, or another role", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const [one, two, admin] = [1, 2, 3].map(() => server.client(url, { max: 1 }));
  const [holder, next] = [await one!.reserve(), await two!.reserve()];
  const attempt = (more: Partial<Parameters<typeof tryAdvisoryLock>[1]> = {}): Promise<LockOwner | null> =>
    tryAdvisoryLock(queryThrough(next), { ...options, lease: "new", ...more });

  assertEquals(await tryAdvisoryLock(queryThrough(holder), { ...options, lease: "old" }), null);
  const working = holder`select pg_sleep(3600)`.catch(() => "cancelled");
  await longIn(admin!, "active");
  assertEquals((await attempt())?.alive, false);
  const [{ pid }] = await admin!`select pid from pg_locks where objid::bigint = ${String(key)}::bigint` as [
    { pid: number },
  ];
  await admin!`select pg_cancel_backend(${pid})`;
  assertEquals(await working, "cancelled");
  await confirmAdvisoryLock(queryThrough(holder), key);
  assertEquals((await attempt({ ttlMs: 60_000 }))?.alive, false);
  await longIn(admin!, "idle");
  assert(await attempt({ lockName: "dp_001:outpost:migration:lock" }) !== null);
  assert(await attempt({ lease: null }) !== null);
  assert(await attempt({ lease: "old" }) !== null);
  await admin!`create role other login`;
  const otherUrl = new URL(url);
  otherUrl.username = "other";
  const other = await server.client(otherUrl.href, { max: 1 }).reserve();
  assert(await tryAdvisoryLock(queryThrough(other), { ...options, lease: "new" }) !== null);
  await confirmAdvisoryLock(queryThrough(holder), key);
  await longIn(admin!, "idle");
  assertEquals(await attempt(), null);
});

Deno.test("confirmAdvisoryLock() holds in a transaction that failed, and tells a connection that was ended", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const [one, admin] = [1, 2].map(() => server.client(url, { max: 1 }));
  const holder = await one!.reserve();
  assertEquals(await tryAdvisoryLock(queryThrough(holder), { ...options, lease: null }), null);
  await holder`begin`;
  await assertRejects(async () => await holder`select 1 / 0`);
  await confirmAdvisoryLock(queryThrough(holder), key);
  await holder`rollback`;
  await confirmAdvisoryLock(queryThrough(holder), key);
  await holder`select pg_advisory_unlock_all()`;
  await assertRejects(() => confirmAdvisoryLock(queryThrough(holder), key), LockLostError, "no longer holds");
  const [{ pid }] = await holder`select pg_backend_pid() as pid` as [{ pid: number }];
  const ended = holder`select pg_sleep(3600)`.catch(() => "ended");
  const confirming = assertRejects(
    () => confirmAdvisoryLock(queryThrough(holder), key),
    LockLostError,
    "is gone",
  );
  await eventually(async () => {
    const [row] = await admin!`select state from pg_stat_activity where pid = ${pid}`;
    assertEquals(row?.state, "active");
  });
  await admin!`select pg_terminate_backend(${pid})`;
  assertEquals(await ended, "ended");
  await confirming;
});
