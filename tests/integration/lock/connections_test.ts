/** What becomes of a runner whose connection breaks, and of two runners when a failover loses the lock. */

import { assert, assertEquals } from "@std/assert";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import { readLock } from "../../../engine/lock/clear.ts";
import type { ChildOptions } from "../../support/lock_child.ts";
import { assertExclusive, createLogTable, startRunner } from "../../support/lock_runner.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startProxy } from "../../support/proxy.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};

const endless = {
  names,
  ttlMs: 1500,
  waitMs: 60_000,
  rounds: 1,
  writes: 100_000,
  pauseMs: 5,
  lists: ["log"],
};

Deno.test("acquireLock() survives a connection to Redis that is cut for less than a lease", async () => {
  await using redis = await startRedis();
  await using proxy = startProxy(redis.port);
  const options: ChildOptions = { ...endless, postgresUrl: null, ttlMs: 6000, redisPorts: [proxy.port] };
  await using runner = startRunner(options);
  for (let i = 0; i < 3; i++) {
    await runner.next("wrote");
    proxy.cut();
    const before = runner.events.length;
    await eventually(() => assert(runner.events.length > before + 5));
  }
  assertEquals(runner.events.filter(({ event }) => event === "lost"), []);
});

Deno.test("A lock that was given back leaves no connection behind", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const connections = async () => String(await client.client("LIST")).trim().split("\n").length;
  const before = await connections();
  {
    const owner = { host: "a", pid: 1, version: "1", command: "apply" };
    await using _lock = await acquireLock({ redis: { client, names }, sessions: [], owner, ttlMs: 6000 });
    assertEquals(await connections(), before + 1);
  }
  await eventually(async () => assertEquals(await connections(), before));
});

Deno.test("acquireLock() keeps the lease when a network drops its connection without telling", async () => {
  await using redis = await startRedis();
  await using proxy = startProxy(redis.port);
  const client = redis.client({ port: proxy.port });
  const taking = {
    redis: { client, names },
    sessions: [],
    owner: { host: "a", pid: 1, version: "1", command: "apply" },
  };
  await using lock = await acquireLock({ ...taking, ttlMs: 6000, heartbeatMs: 200 });
  const before = (await readLock({ redis: { client: redis.client(), names } }))!.heartbeatAt!;
  proxy.stall();
  const stalledAt = Date.now();
  await eventually(async () => {
    const { heartbeatAt } = (await readLock({ redis: { client: redis.client(), names } }))!;
    assert(heartbeatAt!.getTime() > Math.max(before.getTime(), stalledAt));
  });
  assertEquals(lock.signal.aborted, false);
});

Deno.test("acquireLock() keeps the lease while the caller's own connection is busy for longer than a lease", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const taking = {
    redis: { client, names },
    sessions: [],
    owner: { host: "a", pid: 1, version: "1", command: "apply" },
  };
  await using lock = await acquireLock({ ...taking, ttlMs: 2500 });
  await client.blpop("nothing", 4);
  await lock.confirm();
});

Deno.test("acquireLock() stops a runner that is cut off from Redis, and the next one takes over", async () => {
  await using redis = await startRedis();
  await using server = await startPostgres();
  await using proxy = startProxy(redis.port);
  const url = await server.createDatabase();
  const sql = server.client(url);
  await createLogTable(sql);
  const options: ChildOptions = { ...endless, postgresUrl: url, redisPorts: [redis.port] };
  await using first = startRunner({ ...options, redisPorts: [proxy.port] });
  await first.next("wrote");
  proxy.close();
  await using second = startRunner({ ...options, writes: 5 });
  assertEquals(await first.code, 3);
  assertEquals(await second.code, 0);
  assertEquals((await assertExclusive([first, second], ["log"], redis.client(), sql)).length, 2);
});

Deno.test("acquireLock() stops a runner whose connection to Postgres is cut, and the next one takes over", async () => {
  await using redis = await startRedis();
  await using server = await startPostgres();
  await using proxy = startProxy(server.port);
  const url = await server.createDatabase();
  const sql = server.client(url);
  await createLogTable(sql);
  const options: ChildOptions = { ...endless, postgresUrl: url, redisPorts: [redis.port], ttlMs: 6000 };
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  await using first = startRunner({ ...options, postgresUrl: proxied.href });
  await first.next("wrote");
  proxy.cut();
  await using second = startRunner({ ...options, writes: 5 });
  assertEquals(await first.code, 3);
  assertEquals(await second.code, 0);
  assertEquals((await assertExclusive([first, second], ["log"], redis.client(), sql)).length, 2);
});

Deno.test("acquireLock() goes on after a failover to a replica that saw the lock", async () => {
  await using master = await startRedis();
  await using replica = await startRedis(["--replicaof", "127.0.0.1", String(master.port)]);
  await using proxy = startProxy(master.port);
  await using runner = startRunner({ ...endless, postgresUrl: null, redisPorts: [proxy.port], ttlMs: 8000 });
  const [client, copy] = [master.client(), replica.client()];
  await runner.next("wrote");
  await eventually(async () => assert(await copy.llen("log") > 0));
  // As a managed failover does: the writes stop, the replica catches up, the address changes.
  await client.call("CLIENT", "PAUSE", 20_000, "WRITE");
  await eventually(async () => assertEquals(await copy.llen("log"), await client.llen("log")));
  await copy.call("REPLICAOF", "NO", "ONE");
  proxy.redirect(replica.port);
  const before = await copy.llen("log");
  await eventually(async () => assert(await copy.llen("log") > before + 5));
  assertEquals(runner.events.filter(({ event }) => event === "lost"), []);
});

Deno.test("acquireLock() stops a runner when a failover leads to a replica that never saw the lock", async () => {
  await using master = await startRedis();
  await using replica = await startRedis();
  await using proxy = startProxy(master.port);
  const options: ChildOptions = { ...endless, postgresUrl: null, redisPorts: [proxy.port], ttlMs: 6000 };
  await using first = startRunner(options);
  await first.next("wrote");
  proxy.redirect(replica.port);
  await using second = startRunner(options);
  await second.next("wrote");
  assertEquals(await first.code, 3);
  await second.next("wrote");
  second.kill("SIGKILL");
  await second.code;
  assertEquals((await assertExclusive([second], ["log"], replica.client(), null)).length, 1);
});
