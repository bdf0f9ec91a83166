import { assertEquals } from "@std/assert";
import { Cluster, Redis } from "ioredis-5";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";

/** Enough for every master of three to hold some. */
const TENANTS = Array.from({ length: 30 }, (_, i) => `tenant_${i}`);
const CREATED = "2024-01-15T10:30:00Z";

/** An application that brings its own copy of ioredis, and another release of it than the engine's. */
async function migrate(client: Redis | Cluster) {
  for (const id of TENANTS) await client.hset(`tenant:${id}`, { id, created_at: CREATED });
  const engine = createFrozenEngine({
    redis: client,
    version: "1.0.0",
    owner: { host: "test", pid: Deno.pid },
    lockTtlMs: 5000,
  });
  const [hashTags] = (await engine.plan()).redis;
  assertEquals(hashTags?.estimatedItems, TENANTS.length);
  const { results } = await engine.apply();
  assertEquals(
    results.map(({ id, outcome, processed }) => [id, outcome, processed]),
    ["redis/001_hash_tags", "redis/002_timestamps", "redis/003_entity"].map((id) => [id, "applied", 30]),
  );
  assertEquals((await engine.verify({ full: true })).ok, true);
  assertEquals((await engine.cleanup("redis/1")).deleted, TENANTS.length);
  await engine.assertCurrent();
  for (const id of TENANTS) {
    assertEquals(await client.hgetall(`tenant:{${id}}:tenant`), {
      id,
      created_at: String(Date.parse(CREATED)),
      entity: "tenant",
    });
  }
}

Deno.test("apply() visits every master through a cluster client of another copy of ioredis", async () => {
  await using cluster = await startRedisCluster();
  const client = new Cluster(cluster.ports.map((port) => ({ host: cluster.host, port })));
  try {
    await migrate(client);
  } finally {
    client.disconnect();
  }
});

Deno.test("apply() works through a client of another copy of ioredis", async () => {
  await using server = await startRedis();
  const client = new Redis({ host: server.host, port: server.port });
  try {
    await migrate(client);
  } finally {
    client.disconnect();
  }
});
