/** Taking, waiting, refusing and giving back, with every kind of holder. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import type postgres from "postgres";
import {
  InterruptedError,
  LockHeldError,
  LockLostError,
  StoreDeniedError,
  StoreUnreachableError,
} from "../../../engine/errors.ts";
import { acquireLock, type AcquireOptions } from "../../../engine/lock/acquire.ts";
import { readLock } from "../../../engine/lock/clear.ts";
import type { LockOwner } from "../../../engine/lock/lock.ts";
import { connectLockSession } from "../../support/lock_session.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually, freePort, meanwhile } from "../../support/server.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration:lock", ".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};
const owner = { host: "web-1", pid: 12, version: "1.2.0", command: "apply" };

interface Stores extends AsyncDisposable {
  readonly client: Redis;
  readonly sql: postgres.Sql;
  /** Key of the advisory lock. */
  readonly key: string;
  /** @param evictAfterMs How long a predecessor's connection idles before its lease counts as over. */
  options(more?: Partial<AcquireOptions>, evictAfterMs?: number): Promise<AcquireOptions>;
}

async function startStores(): Promise<Stores> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const server = stack.use(await startPostgres());
  const client = redis.client();
  const url = await server.createDatabase();
  const probe = stack.use(await connectLockSession(url, 10_000, names.lock));
  const sql = server.client(url, { max: 2 });
  const moved = stack.move();
  return {
    client,
    sql,
    key: String(probe.key),
    options: async (more = {}, evictAfterMs = 10_000) => ({
      redis: { client, names },
      sessions: [await connectLockSession(url, evictAfterMs, names.lock)],
      owner,
      ttlMs: 10_000,
      ...more,
    }),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

async function isFree({ client, sql, key }: Stores): Promise<void> {
  assertEquals(await client.keys("*"), []);
  await eventually(async () => {
    const locks =
      await sql`select 1 from pg_locks where locktype = 'advisory' and objid::bigint = ${key}::bigint`;
    assertEquals(locks.length, 0);
  });
}

Deno.test("acquireLock() takes every part, tells the owner, and gives all back", async () => {
  await using stores = await startStores();
  const { client } = stores;
  {
    await using lock = await acquireLock(await stores.options({ heartbeatMs: 50 }));
    await lock.confirm();
    assertEquals((await lock.fence!.keys()).length, 1);
    assertEquals(await client.exists(names.lock, ...names.older), 3);
    lock.report({ migration: "redis/002_timestamps", progress: "40%" });
    await eventually(async () => {
      const { acquiredAt, heartbeatAt, ...held } = (await readLock({ redis: { client, names } }))!;
      assertEquals(held, {
        ...owner,
        migration: "redis/002_timestamps",
        progress: "40%",
        source: names.lock,
        alive: true,
      });
      assert(acquiredAt! <= heartbeatAt!);
    });
    const refused = await assertRejects(
      async () => acquireLock(await stores.options()),
      LockHeldError,
      "Cannot take the lock: apply of redis/002_timestamps (40%) on host web-1, process 12, version 1.2.0",
    );
    assertEquals(refused.owner?.source, names.lock);
    assert(refused.hint?.includes("status()"));
    await lock.confirm();
  }
  await isFree(stores);
});

Deno.test("acquireLock() honours a lock that an older tool holds under any name, and waits for it", async () => {
  await using stores = await startStores();
  const { client } = stores;
  for (const name of [names.lock, ...names.older]) {
    await client.set(name, "locked by hand", "EX", 3600);
    const refused = await assertRejects(async () => acquireLock(await stores.options()), LockHeldError, name);
    assertEquals(refused.owner?.source, name);
    assertEquals(await client.keys("*"), [name]);
    const seen: (LockOwner | null)[] = [];
    const onWait = (owner: LockOwner | null) => seen.push(owner);
    const waiting = meanwhile(acquireLock(await stores.options({ waitMs: 30_000, onWait })));
    await eventually(() => assertEquals(seen.at(-1)?.source, name));
    await client.del(name);
    await (await waiting)[Symbol.asyncDispose]();
  }
  await isFree(stores);
});

Deno.test("acquireLock() waits for golang-migrate's advisory lock, however long it idles, and keeps it out", async () => {
  await using stores = await startStores();
  const other = await stores.sql.reserve();
  await other`select pg_advisory_lock(${stores.key}::bigint)`;
  const refused = await assertRejects(async () => acquireLock(await stores.options()), LockHeldError);
  assertEquals(refused.owner?.source, "postgres");
  assertEquals(await stores.client.keys("*"), []);
  const seen: (LockOwner | null)[] = [];
  const onWait = (owner: LockOwner | null, waitedMs: number) => waitedMs > 1500 && seen.push(owner);
  const waiting = meanwhile(acquireLock(await stores.options({ waitMs: 30_000, onWait }, 300)));
  await eventually(() => assertEquals(seen.at(-1)?.source, "postgres"));
  await other`select pg_advisory_unlock(${stores.key}::bigint)`;
  {
    await using lock = await waiting;
    const [row] = await other`select pg_try_advisory_lock(${stores.key}::bigint) as taken`;
    assertEquals(row?.taken, false);
    await lock.confirm();
  }
  other.release();
  await isFree(stores);
});

Deno.test("acquireLock() does without Redis: the advisory lock excludes others, and nobody is ended", async () => {
  await using stores = await startStores();
  const first = await acquireLock(await stores.options({ redis: null, heartbeatMs: 1_000_000 }, 300));
  assertEquals(first.fence, null);
  await assertRejects(
    async () => acquireLock(await stores.options({ redis: null, waitMs: 1500 }, 300)),
    LockHeldError,
  );
  // A run with a lease does not end one without: no lease of it ran out.
  await assertRejects(
    async () => acquireLock(await stores.options({ waitMs: 1500 }, 300)),
    LockHeldError,
  );
  await first.confirm();
  await first[Symbol.asyncDispose]();
  await isFree(stores);
});

Deno.test("acquireLock() stops waiting when the signal fires, and gives back what it took", async () => {
  await using stores = await startStores();
  await stores.client.set(names.older[1]!, "locked by hand");
  const controller = new AbortController();
  const onWait = () => controller.abort();
  await assertRejects(
    async () => acquireLock(await stores.options({ waitMs: 60_000, onWait, signal: controller.signal })),
    InterruptedError,
  );
  await stores.client.del(names.older[1]!);
  await isFree(stores);
});

Deno.test("acquireLock() gives back what it took when a later part fails", async () => {
  await using stores = await startStores();
  const [options, more] = [await stores.options(), await stores.options()];
  const broken = more.sessions[0]!;
  await broken[Symbol.asyncDispose]();
  await assertRejects(() => acquireLock({ ...options, sessions: [...options.sessions, broken] }));
  await isFree(stores);
});

Deno.test("acquireLock() notices with the next heartbeat that any part of the lock was taken away", async () => {
  await using stores = await startStores();
  for (const name of [names.lock, names.older[0]!, "postgres"]) {
    await using lock = await acquireLock(await stores.options({ heartbeatMs: 50 }));
    if (name === "postgres") {
      await stores.sql`select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and objid::bigint = ${stores.key}::bigint`;
    } else {
      await stores.client.del(name);
    }
    await eventually(() => assert(lock.signal.aborted));
    assertInstanceOf(lock.signal.reason, LockLostError);
    await assertRejects(() => lock.confirm(), LockLostError);
    if (name !== "postgres") {
      await assertRejects(() => lock.fence!.renew(), LockLostError);
      await assertRejects(() => lock.fence!.keys(), LockLostError);
    }
  }
  await isFree(stores);
});

Deno.test("confirm() asks the stores and does not wait for the next heartbeat", async () => {
  await using stores = await startStores();
  for (const name of [names.lock, names.older[1]!]) {
    await using lock = await acquireLock(await stores.options({ heartbeatMs: 1_000_000 }));
    await stores.client.set(name, "another runner");
    await assertRejects(() => lock.confirm(), LockLostError, name);
    assert(lock.signal.aborted);
    await lock[Symbol.asyncDispose]();
    assertEquals(await stores.client.get(name), "another runner");
    await stores.client.del(name);
  }
  await isFree(stores);
});

Deno.test("acquireLock() tells a Redis that refuses, and reading needs no more than GET and PTTL", async () => {
  await using redis = await startRedis();
  const admin = redis.client();
  await admin.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get", "+pttl", "+info", "+select");
  await admin.call("ACL", "SETUSER", "elsewhere", "on", ">secret", "~app:*", "+@all");
  for (const username of ["reader", "elsewhere"]) {
    const client = redis.client({ username, password: "secret" });
    await assertRejects(
      () => acquireLock({ redis: { client, names }, sessions: [], owner }),
      StoreDeniedError,
      "Redis refuses",
    );
  }
  const reader = redis.client({ username: "reader", password: "secret" });
  assertEquals(await readLock({ redis: { client: reader, names } }), null);
});

Deno.test({
  name: "acquireLock() tells a Redis that is not there",
  // Disconnecting a client that waits to reconnect leaves it a timer of two seconds.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using redis = await startRedis();
    const nowhere = redis.client({ port: freePort() });
    await assertRejects(
      () => acquireLock({ redis: { client: nowhere, names }, sessions: [], owner }),
      StoreUnreachableError,
    );
  },
});
