/** Records of a cluster are read and written by one script for each node, wherever their slots are by then. */

import { assertEquals } from "@std/assert";
import type { Cluster } from "ioredis";
import { readExisting, readFields } from "../../../engine/redis/bulk_reads.ts";
import { tagOfSlot } from "../../../engine/redis/hash_slot.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { writeFields } from "../../../engine/redis/transform/field_writes.ts";
import { startRedisCluster } from "../../support/redis.ts";
import { moveSlots } from "../../support/redis_resharding.ts";

const SLOTS = Array.from({ length: 10 }, (_, i) => i); // Of the first master.
/** Records of all slots, and two of each slot that is to move. */
const KEYS = [
  ...Array.from({ length: 100 }, (_, i) => `record${i}`),
  ...SLOTS.flatMap((slot) => [`{${tagOfSlot(slot)}}:a`, `{${tagOfSlot(slot)}}:b`]),
];

async function scriptsOf(client: Cluster): Promise<number> {
  const told = await Promise.all(client.nodes("master").map((node) => node.info("commandstats")));
  const calls = told.join("\n").matchAll(/cmdstat_evalsha(?:_ro)?:calls=(\d+)/g);
  return [...calls].reduce((sum, [, count]) => sum + Number(count), 0);
}

Deno.test("Records of all nodes are read and written by a script for each node, also when slots have moved away", async () => {
  await using cluster = await startRedisCluster();
  const [client, other] = [cluster.client(), cluster.client()];
  for (const key of KEYS) await other.hset(key, "n", "1");
  const store = new RedisStore(client);
  assertEquals((await readFields(store, KEYS, ["n"])).flat(), KEYS.map(() => "1"));
  const before = await scriptsOf(other);
  assertEquals((await readFields(store, [...KEYS, "missing"], ["n"])).flat(), [...KEYS.map(() => "1"), null]);
  assertEquals(await scriptsOf(other) - before, 3);
  for (const [n, isThere] of [["1", "at home"], ["2", "moved away"]] as const) {
    if (isThere === "moved away") await moveSlots(cluster, SLOTS, { from: 0, to: 1 });
    const todo = KEYS.map((key) => ({ key, values: [n], changes: ["n", String(Number(n) + 1)] }));
    const results = await writeFields({ store, fence: undefined }, ["n"], todo);
    // What a script had written before it met a key that is elsewhere is found written when it is done once more.
    assertEquals(results.every((result) => result === "1" || isThere === "moved away"), true);
    assertEquals((await readFields(store, KEYS, ["n"])).flat(), KEYS.map(() => todo[0]!.changes[1]!));
  }
  assertEquals(await readExisting(store, [...KEYS, "missing"]), new Set(KEYS));
});
