import { assertEquals } from "@std/assert";
import { RedisStore } from "../../../engine/redis/store.ts";
import { READ_WHOLE } from "../../../engine/redis/scripts/reading.ts";
import type { Redis } from "ioredis";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { HASH_TAGS, NEVER, outpostBackend, snapshot } from "../../support/redis_records.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("A record's end is read to the millisecond where no command tells it, as before Redis 7.0", async () => {
  await using server = await startRedis();
  const client = server.client();
  const missing = (await client.command("INFO", "pexpiretime") as unknown[])[0] === null;
  const rights = ["on", ">sesame", "~*", "+@all", ...missing ? [] : ["-pexpiretime"]];
  await client.call("ACL", "SETUSER", "old", ...rights);
  await client.set("record", "content");
  await client.call("PEXPIREAT", "record", "32503680000123");
  const store = new RedisStore(server.client({ username: "old", password: "sesame" }));
  const ends = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const replies = Array.from({ length: 500 }, () => store.evaluate(READ_WHOLE, ["record"], []));
    for (const reply of await Promise.all(replies)) ends.add(String((reply as unknown[])[1]));
  }
  assertEquals([...ends], ["32503680000123"]);
});

Deno.test("apply() copies the same where there is no COPY, as in some servers that speak like Redis", async () => {
  const results = await Promise.all([[], ["-copy"]].map(async (without) => {
    await using server = await startRedis();
    const client = server.client();
    await seedLegacyRedis(server, { tenants: 60, destinationsPerTenant: 3 });
    await client.rpush("tenant:tenant_0000001:queue", "a", "b");
    await client.call("PEXPIREAT", "tenant:tenant_0000001:queue", "32503680000123");
    await client.hset("tenant:{tenant_0000002}:tenant", {
      id: "tenant_0000002",
      updated_at: "2030-01-01T00:00:00Z",
    });
    await client.call("ACL", "SETUSER", "some", "on", ">sesame", "~*", "+@all", ...without);
    const backend = outpostBackend(server.client({ username: "some", password: "sesame" }));
    const { outcome, processed, conflicts } = await backend.apply(HASH_TAGS, { signal: NEVER });
    return { outcome, processed, conflicts, records: await withoutRecentTimes(client) };
  }));
  assertEquals(results[0]!.conflicts, 1);
  assertEquals(results[1], results[0]);
});

/** All but the bookkeeping, and the ends of tombstones, which lie a week after now. */
async function withoutRecentTimes(client: Redis): Promise<[string, string][]> {
  const all = [...await snapshot(client)].filter(([key]) => !key.startsWith("outpost:"));
  return all.map(([key, record]) => [key, record.replace(/^hash 1\d{12}\b/, "hash soon")]);
}
