import { assert, assertEquals } from "@std/assert";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import { lookAhead } from "../../../engine/redis/lookalikes.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { hashTags } from "../../../migrations/redis/001_hash_tags.ts";
import { startRedis } from "../../support/redis.ts";
import { NEVER, putHash, tenantFields } from "../../support/redis_records.ts";

Deno.test("lookAhead() searches once for what a run finds absent, and again for every other run", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const store = new RedisStore(client);
  const changes = [hashTags("").change];
  const names = { lock: "outpost:migration:lock", older: [], fence: "outpost:migration:fence" };
  const owner = { host: "test", pid: 1, version: "1", command: "apply" };
  const scans = async () =>
    Number(/cmdstat_scan:calls=(\d+)/.exec(await client.info("commandstats"))?.[1] ?? 0);
  let before = 0;
  for (const _run of [1, 2]) {
    await using lock = await acquireLock({ redis: { client, names }, sessions: [], owner, ttlMs: 60_000 });
    const context = { store, signal: NEVER, fence: lock.fence! };
    assertEquals((await lookAhead(changes, context)).found, false);
    const searched = await scans();
    assert(searched > before, `${searched} calls of SCAN`);
    assertEquals((await lookAhead(changes, context)).found, false);
    assertEquals(await scans(), searched);
    before = searched;
  }
});
