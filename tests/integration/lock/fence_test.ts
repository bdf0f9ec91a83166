/**
 * The fence itself, without processes: a runner whose heartbeats never come stands for one that is paused while its writers
 * go on.
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { LockLostError } from "../../../engine/errors.ts";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import type { Fence, HeldLock } from "../../../engine/lock/lock.ts";
import { breakFence, FenceKeys, type PreparedFence } from "../../../engine/redis/lock/fence.ts";
import { decodeText } from "../../../engine/redis/binary.ts";
import { keySlot, tagOfSlot } from "../../../engine/redis/hash_slot.ts";
import { appendFenced } from "../../support/fenced_log.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};
const owner = { host: "web-1", pid: 12, version: "1.2.0", command: "apply" };

function acquire(client: Redis | Cluster, ttlMs: number, heartbeatMs?: number): Promise<HeldLock> {
  const options = { redis: { client, names }, sessions: [], owner, ttlMs, waitMs: 60_000 };
  return acquireLock({ ...options, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) });
}

async function keyNames(fence: Fence): Promise<string[]> {
  return (await fence.keys()).map((name) => decodeText(name)!);
}

Deno.test("fence ends before the lease of a paused runner passes to the next", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await using paused = await acquire(client, 2500, 1_000_000);
  const [key] = await keyNames(paused.fence!);
  assertEquals(await client.get(key!), paused.fence!.token);
  const [[, leaseLeft], [, fenceLeft]] = await client.multi().pttl(names.lock).pttl(key!).exec() as [
    [null, number],
    [null, number],
  ];
  assert(fenceLeft < leaseLeft, `${fenceLeft} ms of the fence are left, ${leaseLeft} ms of the lease`);
  const samples: string[] = [];
  await eventually(async () => {
    const [[, lock], [, fence]] = await client.multi().exists(names.lock).exists(key!).exec() as [
      [null, number],
      [
        null,
        number,
      ],
    ];
    samples.push(`${lock}${fence}`);
    assertEquals(lock, 0);
  });
  assertEquals(samples.filter((sample) => sample === "01"), []);
  await using next = await acquire(client, 10_000);
  await appendFenced(client, "log", next.fence!);
  await assertRejects(() => appendFenced(client, "log", paused.fence!), LockLostError);
  assertEquals(await client.lrange("log", 0, -1), [next.fence!.token]);
});

Deno.test("fence is established anew, under another name, when its key is gone", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await using lock = await acquire(client, 10_000, 1_000_000);
  const [before] = await keyNames(lock.fence!);
  await client.del(before!);
  await appendFenced(client, "log", lock.fence!);
  const [after] = await keyNames(lock.fence!);
  assertNotEquals(after, before);
  assertEquals(await client.lrange("log", 0, -1), [lock.fence!.token]);
});

Deno.test("fence is prolonged once in each round, however often the command arrives", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const keys = new FenceKeys(client, names.fence, "token", 20_000);
  const round = async () => {
    const prepared: PreparedFence = { ready: [], masters: null };
    await keys.prepare(prepared);
    return prepared;
  };
  const first = await round();
  assertEquals(keys.names(), []);
  keys.commit(first.ready, first.masters);
  const name = first.ready[0]!.name;
  await client.pexpire(name, 5000);
  const second = await round();
  assert(await client.pttl(name) > 5000);
  await client.pexpire(name, 5000);
  await round();
  assert(await client.pttl(name) <= 5000, "a round was executed twice");
  keys.commit(second.ready, second.masters);
  await round();
  assert(await client.pttl(name) > 5000);
  await keys.release();
  assertEquals(await client.keys("*"), []);
});

Deno.test("fence deletes nothing that a pointer of foreign content tells", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await client.set("tenant:{a}:tenant", "precious");
  await client.set(`${names.fence}:{${tagOfSlot(0)}}`, "tenant:{a}:tenant 0");
  await using lock = await acquire(client, 10_000);
  await lock.confirm();
  assertEquals(await client.get("tenant:{a}:tenant"), "precious");
});

Deno.test("fence of a cluster keeps out the older of two runners when a failover lost the lock's key", async () => {
  await using redis = await startRedisCluster();
  const [client, other] = [redis.client(), redis.client()];
  const lists = [0, 6000, 12_000].map((slot) => `log:{${tagOfSlot(slot)}}`);
  await using older = await acquire(client, 60_000, 1_000_000);
  assertEquals((await older.fence!.keys()).length, 3);
  for (const list of lists) await appendFenced(client, list, older.fence!);
  for (const name of [names.lock, ...names.older]) await client.del(name);
  await using newer = await acquire(other, 60_000);
  // The older one believes in its lease still; not one master takes its writes.
  assertEquals(older.signal.aborted, false);
  for (const name of await keyNames(older.fence!)) assertEquals(await client.get(name), null);
  for (const list of lists) await appendFenced(other, list, newer.fence!);
  for (const list of lists) {
    await assertRejects(() => appendFenced(client, list, older.fence!), LockLostError);
  }
  assert(older.signal.aborted);
  for (const list of lists) await appendFenced(other, list, newer.fence!);
  for (const list of lists) {
    assertEquals(await client.lrange(list, 0, -1), [older, newer, newer].map((lock) => lock.fence!.token));
  }
});

Deno.test("fence of a cluster follows slots that move to another master", async () => {
  await using redis = await startRedisCluster();
  const client = redis.client();
  const lists = [0, 6000, 12_000].map((slot) => `log:{${tagOfSlot(slot)}}`);
  await using lock = await acquire(client, 60_000, 1_000_000);
  for (const list of lists) await appendFenced(client, list, lock.fence!);
  const [source, target] = [redis.nodes[1]!.client(), redis.nodes[0]!.client()];
  // The first slot of the second master goes, and the fence key of that master with it.
  const slot = Math.floor(16384 / 3);
  const id = String(await target.call("CLUSTER", "MYID"));
  for (const key of await source.call("CLUSTER", "GETKEYSINSLOT", slot, 100) as string[]) {
    await source.del(key);
  }
  for (const node of redis.nodes) await node.client().call("CLUSTER", "SETSLOT", slot, "NODE", id);
  for (const list of lists) await appendFenced(client, list, lock.fence!);
  assertEquals(new Set(await keyNames(lock.fence!)).size, 3);
  for (const list of lists) assertEquals(await client.llen(list), 2);
  await lock.confirm();
});

Deno.test("fence is not called broken by whoever could not ask a master where its key is", async () => {
  await using redis = await startRedisCluster(2);
  const [one, other] = redis.nodes.map((node) => node.client()) as [Redis, Redis];
  const [from, to] = [String(await one.call("CLUSTER", "MYID")), String(await other.call("CLUSTER", "MYID"))];
  await other.call("CLUSTER", "SETSLOT", 0, "IMPORTING", from);
  await one.call("CLUSTER", "SETSLOT", 0, "MIGRATING", to); // So that the key is in another slot.
  await using older = await acquire(redis.client(), 60_000, 1_000_000);
  const kept = await keyNames(older.fence!);
  assertEquals(kept.length, 2);
  const client = redis.client();
  await client.ping();
  const asked = client.nodes("master").map((node) => [node, node.call.bind(node)] as const);
  const busy = Object.assign(new Error("BUSY Redis is busy running a script."), { name: "ReplyError" });
  for (const [node] of asked) node.call = () => Promise.reject(busy);
  await assertRejects(() => breakFence(client, names.fence), Error, "BUSY");
  for (const [node, call] of asked) node.call = call;
  await breakFence(client, names.fence);
  for (const name of kept) assertEquals(await client.get(name), null);
});

Deno.test("fence holds on the other masters of a cluster while one hangs for longer than a lease", async () => {
  await using redis = await startRedisCluster();
  const client = redis.client();
  const slots = [0, 6000, 12_000];
  // The lock is on one of them, and another one hangs.
  const holder = Math.floor(keySlot(names.lock) / (16384 / 3));
  const hanging = (holder + 1) % 3;
  const lists = slots.filter((_, i) => i !== hanging).map((slot) => `log:{${tagOfSlot(slot)}}`);
  const only = { ...names, older: [] };
  const options = { redis: { client, names: only }, sessions: [], owner, ttlMs: 3000, waitMs: 60_000 };
  await using lock = await acquireLock({ ...options, heartbeatMs: 300 });
  for (const list of lists) await appendFenced(client, list, lock.fence!);
  const { pid } = redis.nodes[hanging]!;
  Deno.kill(pid, "SIGSTOP");
  try {
    const until = performance.now() + 2 * 3000;
    while (performance.now() < until) {
      for (const list of lists) await appendFenced(client, list, lock.fence!);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  assertEquals(lock.signal.aborted, false);
  await lock.confirm();
});
