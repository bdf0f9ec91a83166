/** A client of an application may have been switched to another database than its options name. */

import { assertEquals } from "@std/assert";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { startRedis } from "../../support/redis.ts";
import { putHash, tenantFields } from "../../support/redis_records.ts";

Deno.test("an engine works in the database that its client is in, lock and large records included", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.select(3);
  await putHash(client, "tenant:t", tenantFields("t"));
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`d${i}`, "{}"]));
  await putHash(client, "tenant:t:destinations", many);
  const engine = createFrozenEngine({ redis: client, version: "1", owner: { host: "test", pid: 1 } });
  assertEquals((await engine.plan()).stores.map(({ database }) => database), ["3"]);
  const { results } = await engine.apply();
  assertEquals(results.map(({ outcome }) => outcome), ["applied", "applied", "applied"]);
  const { deleted, kept } = await engine.cleanup("redis/1");
  assertEquals([deleted, kept], [2, 0]);
  assertEquals(await client.hlen("tenant:{t}:destinations"), 5000);
  await client.select(0);
  assertEquals(await client.dbsize(), 0);
});
