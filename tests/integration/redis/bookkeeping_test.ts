/** What is recorded, where it is taken from, and that nothing is recorded without the lock. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import { LockLostError } from "../../../engine/errors.ts";
import type { Fence } from "../../../engine/lock/lock.ts";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";
import {
  applyOne,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

/** A fence that holds as long as a key does, and is lost for good when it does not. */
async function fenceOf(client: Redis): Promise<Fence> {
  await client.set("fence", "mine");
  return {
    token: "mine",
    keys: () => Promise.resolve(["fence"]),
    renew: () => Promise.reject(new LockLostError("Lost")),
  };
}

const statusesOf = async (client: Redis, deploymentId = "") =>
  (await outpostBackend(client, deploymentId).read()).entries.map(({ status }) => status);

Deno.test("read() takes over from what all deployments shared that a migration is done, and nothing else", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("outpost:migration:002_timestamps", {
    ...{ status: "failed", failed: "3", issues: '["somebody else\'s"]' },
  });
  await client.hset("outpost:migration:003_entity", {
    ...{ status: "running", run: "another", started_at: "2024-01-01T00:00:00Z", processed: "7" },
  });
  assertEquals(await statusesOf(client), ["pending", "failed", "running"]);
  const { entries } = await outpostBackend(client, "dp_001").read();
  assertEquals(entries.map(({ status, reason }) => [status, reason]), [
    ["not_applicable", "Not needed - using DEPLOYMENT_ID"],
    ["pending", null],
    ["pending", null],
  ]);
  await client.del("outpost:migration:003_entity");
  await client.hset("outpost:migration:003_entity", {
    status: "applied",
    applied_at: "2024-01-01T00:00:00Z",
  });
  assertEquals(await statusesOf(client, "dp_001"), ["not_applicable", "pending", "applied"]);
});

Deno.test("adopt() believes the records of a deployment more than what all deployments shared", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const name of ["002_timestamps", "003_entity"]) {
    await client.hset(`outpost:migration:${name}`, { status: "applied", applied_at: "2024-01-01T00:00:00Z" });
  }
  await putHash(client, "dp_001:tenant:{a}:tenant", { ...tenantFields("a"), entity: "tenant" });
  await putHash(client, "dp_001:tenant:{b}:tenant", {
    id: "b",
    created_at: "1705289400123",
    entity: "tenant",
  });
  const backend = outpostBackend(client, "dp_001");
  await backend.adopt({ signal: NEVER });
  const { entries } = await backend.read();
  assertEquals(entries.map(({ status, reason }) => [status, reason]), [
    ["not_applicable", "Not needed - using DEPLOYMENT_ID"],
    ["pending", "outpost:migration:002_timestamps says that it was applied, 1 records say otherwise"],
    ["applied", null],
  ]);
  // Who reads the mark in the words of released versions takes it for pending too, and the next run does what is left.
  assertEquals((await getHash(client, "dp_001:outpost:migration:002_timestamps"))?.status, "pending");
  const { outcome, processed } = await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  assertEquals([outcome, processed], ["applied", 1]);
});

Deno.test("apply() converts the records of a deployment although another installation has finished the same meanwhile", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "dp_001:tenant:{t}:tenant", tenantFields("t"));
  // Recorded by an installation without a deployment ID, between the choice of what to run and the run.
  await client.hset("outpost:migration:002_timestamps", {
    status: "applied",
    applied_at: "2024-01-01T00:00:00Z",
  });
  const { outcome, processed } = await applyOne(outpostBackend(client, "dp_001"), TIMESTAMPS, {
    signal: NEVER,
  });
  assertEquals([outcome, processed], ["applied", 1]);
  assertEquals((await getHash(client, "dp_001:tenant:{t}:tenant"))?.["created_at"], "1705289400123");
  assertEquals(await client.hget("dp_001:outpost:migration:002_timestamps", "status"), "applied");
});

Deno.test("apply() of an engine runs what a deployment was said to have applied and has not", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("outpost:migration:002_timestamps", {
    status: "applied",
    applied_at: "2024-01-01T00:00:00Z",
  });
  await putHash(client, "dp_001:tenant:{a}:tenant", tenantFields("a"));
  const engine = createFrozenEngine({
    ...{ redis: client, deploymentId: "dp_001", version: "1", owner: { host: "test", pid: 1 } },
  });
  const { results } = await engine.apply();
  assertEquals(results.map(({ id, outcome, processed }) => [id, outcome, processed]), [
    ["redis/002_timestamps", "applied", 1],
    ["redis/003_entity", "applied", 1],
  ]);
});

Deno.test("What init or adopting recorded of the installation without an ID is true of no other deployment", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "dp_001:tenant:{a}:tenant", tenantFields("a"));
  const of = (name: string) => statusesOf(client, name);
  const pending = ["not_applicable", "pending", "pending"];
  const options = { signal: NEVER };
  assertEquals(await outpostBackend(client).markFresh(options), true);
  assertEquals([await of(""), await of("dp_001")], [["applied", "applied", "applied"], pending]);
  for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
    await client.del(`outpost:migration:${name}`);
  }
  // The tool that wrote this knew no deployments.
  await client.set("outpost:schema:version", "3");
  await outpostBackend(client).adopt(options);
  assertEquals([await of(""), await of("dp_001")], [["applied", "applied", "applied"], pending]);
});

Deno.test("markFresh() marks nothing where the oldest summaries are all that is left", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("destination_summary:t:d", "{}");
  assertEquals(await outpostBackend(client).markFresh({ signal: NEVER }), false);
  assertEquals(await statusesOf(client), ["pending", "pending", "pending"]);
  // They never had a prefix: to a deployment they are a stranger's.
  assertEquals(await outpostBackend(client, "dp_001").markFresh({ signal: NEVER }), true);
});

Deno.test("read() takes words that it does not know for pending, whatever older bookkeeping says", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("outpost:schema:version", "3");
  await client.hset("outpost:migration:001_hash_tags", { status: "undone" });
  const { entries } = await outpostBackend(client).read();
  assertEquals(entries.map(({ status, reason }) => [status, reason]), [
    ["pending", 'It is recorded as "undone", which this version does not know'],
    ["applied", "Recorded in outpost:schema:version"],
    ["applied", "Recorded in outpost:schema:version"],
  ]);
});

Deno.test("adopt() takes over nothing as applied that was passed over because it cannot be converted", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const name of ["002_timestamps", "003_entity"]) {
    await client.hset(`outpost:migration:${name}`, { status: "applied", applied_at: "2024-01-01T00:00:00Z" });
  }
  await putHash(client, "dp_001:tenant:{a}:tenant", { id: "a", created_at: "yesterday", entity: "tenant" });
  const backend = outpostBackend(client, "dp_001");
  await backend.adopt({ signal: NEVER });
  assertEquals((await backend.read()).entries.map(({ status }) => status), [
    ...["not_applicable", "pending", "applied"],
  ]);
  const failed = await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  assertEquals([failed.outcome, failed.issues], [
    "failed",
    ['dp_001:tenant:{a}:tenant: it cannot be converted: created_at is "yesterday"'],
  ]);
});

Deno.test("adopt() takes what bears no time for done at a time that nobody knows, and not an hour ago", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("outpost:schema:version", "1");
  // Years ago, that was; since then an application of the old form changed the original, and then the new one the copy.
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
  await putHash(client, "tenant:t", { ...tenantFields("t"), updated_at: hoursAgo(24), note: "old" });
  await putHash(client, "tenant:{t}:tenant", { ...tenantFields("t"), updated_at: hoursAgo(23), note: "new" });
  const backend = outpostBackend(client);
  const issues = async () =>
    (await backend.verify([HASH_TAGS], { signal: NEVER, full: true, sample: 0 }))[0]!.issues.filter((issue) =>
      issue.startsWith("tenant:")
    );
  const different = ["tenant:t: its copy tenant:{t}:tenant is different"];
  assertEquals(await issues(), different);
  await backend.adopt({ signal: NEVER });
  assertEquals(await issues(), different);
  const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [0, 1]);
  assertEquals((await getHash(client, "tenant:t"))?.note, "old");
});

Deno.test("nothing is recorded once the fence is gone, neither an outcome nor what is adopted or fresh", async () => {
  await using server = await startRedis();
  const client = server.client();
  const fence = await fenceOf(client);
  const options = { signal: NEVER, fence };
  await client.set("fence", "another's");
  const deployment = outpostBackend(client, "dp_001");
  await client.hset("outpost:migration:002_timestamps", {
    status: "applied",
    applied_at: "2024-01-01T00:00:00Z",
  });
  const before = await snapshot(client);
  await assertRejects(() => deployment.adopt(options), LockLostError);
  await assertRejects(() => deployment.markFresh(options), LockLostError);
  await assertRejects(() => applyOne(deployment, HASH_TAGS, options), LockLostError); // Not applicable here.
  assertEquals(await snapshot(client), before);

  await client.set("fence", "mine");
  await putHash(client, "tenant:{bad}:tenant", { id: "bad", created_at: "yesterday" });
  const backend = outpostBackend(client);
  const lost = applyOne(backend, TIMESTAMPS, {
    ...options,
    rerun: true,
    // The walk is over, and its outcome is still to be recorded: the server takes this first.
    onProgress: () => void client.set("fence", "another's"),
  });
  await assertRejects(() => lost, LockLostError);
  assertEquals((await getHash(client, "outpost:migration:002_timestamps"))?.status, "running");
});

Deno.test("init() looks once at a Redis whose bookkeeping does not tell, and not at all where it does", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 5; i++) await client.set(`unrelated${i}`, "1");
  const engineOf = (deploymentId: string) =>
    createFrozenEngine({
      ...{ redis: client, deploymentId, version: "1", owner: { host: "test", pid: 1 } },
    });
  const scans = async () =>
    Number(/cmdstat_scan:calls=(\d+)/.exec(await client.info("commandstats"))?.[1] ?? 0);
  for (const deploymentId of ["", "dp_001"]) {
    await client.config("RESETSTAT");
    assertEquals((await engineOf(deploymentId).init()).redis, "marked");
    assertEquals(await scans(), 1);
    assertEquals((await engineOf(deploymentId).init()).redis, "used");
    assertEquals(await scans(), 1);
  }
  await client.flushall();
  await client.hset("dp_002:outpost:migration:002_timestamps", { status: "failed" });
  await client.hset("dp_002:outpost:migration:001_hash_tags", { status: "not_applicable", reason: "No" });
  assertEquals((await engineOf("dp_002").init()).redis, "used");
  assertEquals(await scans(), 1);
  await client.set("dp_003:outpost:installation_id", "an installation in use");
  assertEquals((await engineOf("dp_003").init()).redis, "adopted");
  assertEquals(await statusesOf(client, "dp_003"), ["not_applicable", "pending", "pending"]);
});

Deno.test("init() says whether it took over what others had recorded", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("outpost:schema:version", "1"); // The first tool's.
  const engine = createFrozenEngine({ redis: client, version: "1", owner: { host: "test", pid: 1 } });
  assertEquals((await engine.init()).redis, "adopted");
  assertEquals(await statusesOf(client, ""), ["applied", "pending", "pending"]);
  assertEquals((await engine.init()).redis, "used");
});

Deno.test("init() that was paused past its lease marks nothing over what appeared meanwhile", async () => {
  await using server = await startRedis();
  const [client, application] = [server.client(), server.client()];
  await client.set("unrelated", "1");
  const ttlMs = 1000;
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let paused = 0;
  client.callBuffer = (async (name: string, args: unknown[]) => {
    const reply = await send(name, args) as [Uint8Array, unknown];
    if (name === "SCAN" && String(reply[0]) === "0") {
      // As SIGSTOP does: no heartbeat, no timer, until the server has let the lease end.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttlMs + 500);
      paused++;
      await application.hset("tenant:late", tenantFields("late"));
    }
    return reply;
  }) as typeof client.callBuffer;
  const engine = createFrozenEngine({
    ...{ redis: client, version: "1", owner: { host: "test", pid: 1 }, lockTtlMs: ttlMs },
  });
  await assertRejects(() => engine.init(), LockLostError);
  assertEquals(paused, 1);
  await eventually(async () => assertEquals(await application.keys("outpost:*"), []));
  assert(await application.exists("tenant:late"));
});
