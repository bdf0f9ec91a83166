/** Servers with too little memory: what stands in the way is found before anything is changed, and what comes up later is told. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BlockedError, InterruptedError } from "../../../engine/errors.ts";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import {
  applyOne,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const ALL = [HASH_TAGS, TIMESTAMPS, "redis/003_entity"];

async function seed(server: RedisServer, keyOf: (id: string) => string, count = 3000): Promise<void> {
  const client = server.client();
  const ids = Array.from({ length: count }, (_, i) => `t${i}`);
  await Promise.all(
    ids.map((id) => putHash(client, keyOf(id), { ...tenantFields(id), metadata: "x".repeat(400) })),
  );
}

const usedBy = async (server: RedisServer) =>
  Number(/used_memory:(\d+)/.exec(await server.client().info("memory"))![1]);

/** Lets a server use so many times what it uses now. */
async function limit(server: RedisServer, factor: number, policy: string): Promise<void> {
  await server.client().config("SET", "maxmemory", Math.round(await usedBy(server) * factor));
  await server.client().config("SET", "maxmemory-policy", policy);
}

Deno.test("blockers() names a server that has no room for the copies, whatever it would do then", async () => {
  await using server = await startRedis();
  await seed(server, (id) => `tenant:${id}`);
  const backend = outpostBackend(server.client());
  assertEquals(await backend.blockers(ALL), []); // No limit.
  for (
    const [policy, kind, words] of [
      ["allkeys-lru", "eviction", "throw records away (allkeys-lru)"],
      ["volatile-ttl", "eviction", "throw away what expires (volatile-ttl)"],
      ["noeviction", "memory", "refuse what the application writes"],
    ] as const
  ) {
    await limit(server, 1.4, policy);
    const [blocker, ...others] = await backend.blockers(ALL);
    assertEquals([blocker?.store, blocker?.kind, blocker?.object, others], [
      "redis",
      kind,
      `127.0.0.1:${server.port}`,
      [],
    ]);
    assertStringIncludes(blocker!.detail, words);
    assertStringIncludes(blocker!.hint, "Raise maxmemory to");
    assertEquals(await backend.blockers([TIMESTAMPS]), []); // Nothing is copied there.
    await limit(server, 4, policy);
    assertEquals(await backend.blockers(ALL), []);
    await server.client().config("SET", "maxmemory", 0);
  }
  // The hint is enough of a limit, and with that there is room for what is really needed.
  await limit(server, 1.4, "allkeys-lru");
  const [{ hint } = { hint: "" }] = await backend.blockers(ALL);
  const megabytes = Number(/maxmemory to ([\d.]+) MB/.exec(hint)![1]);
  await server.client().config("SET", "maxmemory", megabytes * 1_000_000);
  assertEquals(await backend.blockers(ALL), []);
  const result = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.processed], ["applied", 3000]);
  assertEquals(await server.client().dbsize(), 6001);
  // What is copied already needs no room again.
  await limit(server, 1.1, "allkeys-lru");
  assertEquals(await backend.blockers(ALL), []);
});

Deno.test("apply() of an engine refuses before its first step where a Redis would evict, and plan() tells why", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seed(server, (id) => `tenant:${id}`);
  await limit(server, 1.4, "allkeys-lru");
  const engine = createFrozenEngine({ redis: client, version: "1", owner: { host: "test", pid: 1 } });
  const before = await snapshot(client);
  const plan = await engine.plan();
  assertEquals(plan.blockers.map(({ kind }) => kind), ["eviction"]);
  const error: BlockedError = await assertRejects(() => engine.apply(), BlockedError, "throw records away");
  assertEquals(error.blockers.map(({ kind, object }) => [kind, object]), [[
    "eviction",
    `127.0.0.1:${server.port}`,
  ]]);
  assertStringIncludes(error.hint!, "set maxmemory-policy to noeviction");
  assertEquals(await snapshot(client), before);
});

Deno.test("apply() is not applied when the server evicts keys meanwhile, whoever filled it", async () => {
  await using server = await startRedis();
  const application = server.client();
  await seed(server, (id) => `tenant:{${id}}:tenant`, 1500);
  await limit(server, 1.5, "allkeys-lru");
  const backend = outpostBackend(server.client());
  let filled: Promise<void> | undefined;
  const result = await applyOne(backend, TIMESTAMPS, {
    signal: NEVER,
    batchSize: 50,
    maxRate: 3000,
    onProgress: () => {
      filled ??= (async () => {
        for (let i = 0; i < 30; i++) await application.set(`cache${i}`, "x".repeat(100_000));
      })();
    },
  });
  await filled;
  assert(await application.dbsize() < 1530);
  assertEquals([result.outcome, result.failed], ["failed", 0]);
  assertStringIncludes(result.issues[0]!, "for want of memory");
  assertEquals((await backend.read()).entries[1]?.status, "failed");
});

Deno.test("apply() is not applied when the server evicted keys during a run that did not come to its end", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seed(server, (id) => `tenant:{${id}}:tenant`, 200);
  // What is recorded of a run is evicted by no such policy.
  for (let i = 0; i < 30; i++) await client.set(`expires${i}`, "x".repeat(100_000), "EX", 3600);
  await limit(server, 1.1, "volatile-ttl");
  const killed = new AbortController();
  await assertRejects(() =>
    applyOne(outpostBackend(server.client()), TIMESTAMPS, {
      signal: killed.signal,
      onProgress: () => {
        for (let i = 0; i < 10; i++) client.set(`cache${i}`, "x".repeat(100_000));
        killed.abort();
      },
    }), InterruptedError);
  await client.config("SET", "maxmemory", 0);
  assert(await client.exists(...Array.from({ length: 30 }, (_, i) => `expires${i}`)) < 30);
  const outcomes = [];
  for (let run = 1; run <= 2; run++) {
    const { outcome, failed, issues } = await applyOne(outpostBackend(client), TIMESTAMPS, { signal: NEVER });
    outcomes.push([outcome, failed, issues.join().includes("for want of memory")]);
  }
  assertEquals(outcomes, [["failed", 0, true], ["applied", 0, false]]); // It is told once.
});

Deno.test("cleanup() tells that the server evicted keys while it was deleting", async () => {
  await using server = await startRedis();
  const application = server.client();
  await seed(server, (id) => `tenant:${id}`, 300);
  const backend = outpostBackend(server.client());
  await applyOne(backend, HASH_TAGS, { signal: NEVER });
  let filled: Promise<void> | undefined;
  const { issues } = await backend.cleanup(HASH_TAGS, {
    signal: NEVER,
    batchSize: 20,
    onProgress: () => {
      filled ??= (async () => {
        await limit(server, 1.1, "allkeys-lru");
        for (let i = 0; i < 10; i++) await application.set(`cache${i}`, "x".repeat(100_000));
      })();
    },
  });
  await filled;
  assertStringIncludes(issues[0]!, "for want of memory");
});

Deno.test("a server at its limit that refuses writes fails a run honestly, and can be cleaned up", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seed(server, (id) => `tenant:${id}`, 1000);
  const engine = createFrozenEngine({ redis: client, version: "1", owner: { host: "test", pid: 1 } });
  await engine.apply();
  await putHash(client, "tenant:{more}:tenant", tenantFields("more"));
  await client.config("SET", "maxmemory", Math.round(await usedBy(server) * 0.9));
  const failed = await applyOne(outpostBackend(client), TIMESTAMPS, { signal: NEVER, rerun: true });
  assertEquals([failed.outcome, failed.issues[0]], ["failed", "The server answered OOM"]);
  assertEquals((await outpostBackend(client).read()).entries[1]?.status, "failed");
  await client.config("SET", "maxmemory", 0);
  await engine.apply();
  // Cleaning up is what gives room: it needs the lock, which the server must take though it is full.
  await client.config("SET", "maxmemory", Math.round(await usedBy(server) * 0.9));
  await assertRejects(() => client.set("refused", "1"), Error, "OOM");
  assertEquals((await engine.cleanup(HASH_TAGS)).deleted, 1000);
});
