import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  allKeys,
  applyOne,
  bytes,
  expiryOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
const [OLD, NEW] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];
const ENDS_AT = 4_102_444_800_123;

/** What is left of a deleted destination. */
async function putDeleted(client: Redis | Cluster, key: string, endsAt: number): Promise<void> {
  await putHash(client, key, { deleted_at: "2024-01-15T10:30:00Z" });
  await client.callBuffer("PEXPIREAT", [bytes(key), String(endsAt)]);
}

Deno.test("a record whose end alone was changed since it was copied is named, and never deleted for its copy", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putDeleted(client, OLD, ENDS_AT);
  const backend = outpostBackend(client);
  await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals(await expiryOf(client, NEW), ENDS_AT);
  await client.callBuffer("PEXPIREAT", [bytes(OLD), String(ENDS_AT + 1000)]);
  for (const who of [client, await server.reader()]) {
    const [verified] = await outpostBackend(who).verify([HASH_TAGS], FULL);
    // A user without scripts is told no exact end by a server before 7.0.
    const told = who === client || await knowsEnds(client);
    assertEquals(verified?.issues, told ? [`${OLD}: its copy ${NEW} is different`] : []);
  }
  const { deleted, kept, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [0, 1]);
  assertStringIncludes(issues.join(), "is different");
  assertEquals(await expiryOf(client, OLD), ENDS_AT + 1000);

  const differences = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  await client.callBuffer("PEXPIREAT", [bytes(OLD), String(ENDS_AT + 1001)]);
  const late = await backend.settle(HASH_TAGS, differences, "original", { signal: NEVER });
  assertEquals(late.issues, [`${OLD}: left alone, it has changed since it was shown`]);
  const again = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  assertEquals((await backend.settle(HASH_TAGS, again, "original", { signal: NEVER })).resolved, 1);
  assertEquals(await expiryOf(client, NEW), ENDS_AT + 1001);
  assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).deleted, 1);
});

Deno.test("in a cluster what ends is copied and cleaned up, whatever time it is on this machine", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  for (let n = 0; n < 10; n++) await putDeleted(client, `tenant:t${n}:destination:d`, ENDS_AT);
  await client.set("tenant:t0:queue", "a", "PXAT", ENDS_AT).catch(() => {}); // Unknown before 6.2.
  const originals = (await allKeys(client)).length;
  const realNow = Date.now;
  let calls = 0;
  Date.now = () => realNow() + 5000 + calls++ * 7;
  try {
    const backend = outpostBackend(client);
    assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "applied");
    assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
    const { deleted, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
    assertEquals([deleted, issues], [originals, []]);
  } finally {
    Date.now = realNow;
  }
  for (let n = 0; n < 10; n++) {
    assertEquals(await expiryOf(client, `tenant:{t${n}}:destination:d`), ENDS_AT);
    assertEquals(await getHash(client, `tenant:t${n}:destination:d`), null);
  }
});

async function knowsEnds(client: Redis): Promise<boolean> {
  return !String(await client.call("COMMAND", "INFO", "PEXPIRETIME")).match(/^\s*$/);
}
