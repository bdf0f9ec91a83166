/** A slot that was left halfway between two masters: what can be done is done once, and the slot is named. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import { RefusedError } from "../../../engine/errors.ts";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import { keySlot, tagOfSlot } from "../../../engine/redis/hash_slot.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { waitForSlots } from "../../../engine/redis/topology.ts";
import { appendFenced } from "../../support/fenced_log.ts";
import { type RedisCluster, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const SLOT = 5000; // Of the first master, whose slots end at 5460.

/** IDs whose current keys are all in one slot. */
function idsOf(slot: number, count: number): string[] {
  const ids: string[] = [];
  for (let i = 0; ids.length < count; i++) if (keySlot(`t${i}`) === slot) ids.push(`t${i}`);
  return ids;
}

/** Begins to move a slot from the first master to the second, as an operator's tool does that dies in the middle. */
async function leaveOpen(cluster: RedisCluster, slot: number, moved: number): Promise<() => Promise<void>> {
  const [source, target, third] = cluster.nodes.map((node) => node.client()) as [Redis, Redis, Redis];
  const [from, to] = [
    String(await source.call("CLUSTER", "MYID")),
    String(await target.call("CLUSTER", "MYID")),
  ];
  await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from);
  await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to);
  const move = async (count: number) => {
    const keys = await source.callBuffer("CLUSTER", [
      "GETKEYSINSLOT",
      String(slot),
      String(count),
    ]) as Buffer[];
    if (keys.length === 0) return;
    await source.callBuffer("MIGRATE", [
      ...["127.0.0.1", String(cluster.ports[1]), "", "0", "5000", "KEYS", ...keys],
    ]);
  };
  if (moved > 0) await move(moved);
  return async () => {
    await move(1000);
    for (const node of [target, source, third]) await node.call("CLUSTER", "SETSLOT", slot, "NODE", to);
  };
}

async function scansOf(cluster: RedisCluster): Promise<number[]> {
  return await Promise.all(cluster.nodes.map(async (node) => {
    const statistics = await node.client().info("commandstats");
    return Number(/cmdstat_scan:calls=(\d+)/.exec(statistics)?.[1] ?? 0);
  }));
}

Deno.test("apply() converts what can be of a slot left halfway, looks once, and fails with the slot's number", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const halfway = idsOf(SLOT, 12);
  const ids = [...halfway, ...Array.from({ length: 200 }, (_, i) => `other${i}`)];
  await Promise.all(ids.map((id) => putHash(client, `tenant:{${id}}:tenant`, tenantFields(id))));
  const finish = await leaveOpen(cluster, SLOT, 6);
  for (const node of cluster.nodes) await node.client().config("RESETSTAT");
  const backend = outpostBackend(client);
  const result = await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  assertEquals([result.outcome, result.processed, result.failed], ["failed", ids.length, 0]);
  assertStringIncludes(result.issues[0]!, `slot ${SLOT} `);
  assertStringIncludes((await backend.read()).entries[1]!.reason!, `slot ${SLOT} `);
  for (const calls of await scansOf(cluster)) assert(calls > 0 && calls <= 2, `${calls} calls of SCAN`);
  for (const id of ids) {
    assertEquals((await getHash(client, `tenant:{${id}}:tenant`))?.created_at, "1705289400123", id);
  }
  await assertRejects(
    () => backend.plan([TIMESTAMPS], { signal: NEVER }),
    RefusedError,
    `slot ${SLOT} `,
  );
  await finish();
  assertEquals((await applyOne(backend, TIMESTAMPS, { signal: NEVER })).outcome, "applied");
});

Deno.test("apply() makes copies into a slot left halfway, and goes on by itself once the slot has moved", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const ids = idsOf(SLOT, 8);
  await Promise.all(ids.map((id) => putHash(client, `tenant:${id}`, tenantFields(id))));
  // A list, of which one destination was deleted before it is copied, and with that is on the other side of the move.
  const [id] = ids as [string];
  const lists = { old: `tenant:${id}:destinations`, now: `tenant:{${id}}:destinations` };
  await putHash(client, lists.old, { a: "{}", b: "{}" });
  await putHash(client, `tenant:{${id}}:destination:a`, { deleted_at: String(Date.now()) });
  const finish = await leaveOpen(cluster, SLOT, 1);
  const backend = outpostBackend(client);
  const stuck = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([stuck.outcome, stuck.processed, stuck.failed], ["failed", ids.length + 1, 0]);
  assertStringIncludes(stuck.issues[0]!, `slot ${SLOT} `);
  for (const id of ids) assertEquals((await getHash(client, `tenant:{${id}}:tenant`))?.id, id);
  // This time the operator comes back while the run waits for a change.
  let finished: Promise<void> | undefined;
  const result = await applyOne(backend, HASH_TAGS, {
    signal: NEVER,
    onProgress: () => void (finished ??= finish()),
  });
  await finished;
  assertEquals([result.outcome, result.processed], ["applied", 0]);
  assertEquals(await getHash(client, lists.now), { b: "{}" });
});

Deno.test("apply() waits for a slot whose markers move before the copies that they are of", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const [id] = idsOf(SLOT, 1) as [string];
  await putHash(client, `tenant:${id}`, tenantFields(id));
  const backend = outpostBackend(client);
  await applyOne(backend, HASH_TAGS, { signal: NEVER });
  // As a run leaves it that is killed before the copy is proven.
  const markers = `outpost:migration:001_hash_tags:copying:{${tagOfSlot(SLOT)}}`;
  await client.hset(markers, `tenant:{${id}}:tenant`, `unknown 0 tenant:${id}`);
  await client.hset("outpost:migration:001_hash_tags", "status", "running");
  await client.hdel("outpost:migration:001_hash_tags", "done_since");
  const finish = await leaveOpen(cluster, SLOT, 0);
  await cluster.nodes[0]!.client().migrate("127.0.0.1", String(cluster.ports[1]), markers, 0, 5000);
  const stuck = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals(stuck.outcome, "failed");
  assertStringIncludes(stuck.issues[0]!, `slot ${SLOT} `);
  const applying = applyOne(backend, HASH_TAGS, { signal: NEVER });
  await finish();
  assertEquals((await applying).outcome, "applied");
  assertEquals(await client.exists(markers), 0);
});

Deno.test("a move that takes longer than patience is not taken for one that nobody goes on with", async () => {
  await using cluster = await startRedisCluster();
  const store = new RedisStore(cluster.client());
  await leaveOpen(cluster, SLOT, 0);
  // Patience ends before it can be told whether anybody moves the slot any further: the walk is to look again.
  assertEquals(await waitForSlots(store, NEVER, 200), []);
  assertEquals(await waitForSlots(store, NEVER), [SLOT]);
});

Deno.test("verify() and cleanup() end with the number of a slot left halfway, and delete nothing that is not proven", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const ids = [...idsOf(SLOT, 8), ...Array.from({ length: 40 }, (_, i) => `other${i}`)];
  await Promise.all(ids.map((id) => putHash(client, `tenant:${id}`, tenantFields(id))));
  const backend = outpostBackend(client);
  await applyAll(backend);
  const finish = await leaveOpen(cluster, SLOT, 4);
  const options = { signal: NEVER, full: true, sample: 0 };
  const slot = `slot ${SLOT} `;
  await assertRejects(() => backend.verify([HASH_TAGS], options), RefusedError, slot);
  await assertRejects(() => backend.cleanup(HASH_TAGS, options), RefusedError, slot);
  for (const id of ids) assertEquals((await getHash(client, `tenant:{${id}}:tenant`))?.id, id);
  await finish();
  const { kept, issues } = await backend.cleanup(HASH_TAGS, options);
  assertEquals([kept, issues], [0, []]);
});

Deno.test("acquireLock() fences every master, also one whose first slot is on its way to another", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  await leaveOpen(cluster, 0, 0);
  const names = { lock: "outpost:migration:lock", older: [], fence: "outpost:migration:fence" };
  const owner = { host: "test", pid: 1, version: "1", command: "apply" };
  await using lock = await acquireLock({ redis: { client, names }, sessions: [], owner, ttlMs: 60_000 });
  for (const slot of [1, 6000, 12_000]) {
    const list = `log:{${tagOfSlot(slot)}}`;
    await appendFenced(client, list, lock.fence!);
    assertEquals(await client.lrange(list, 0, -1), [lock.fence!.token]);
  }
});
