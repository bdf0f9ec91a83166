/** A migration of an application may say of a record that it goes where it is: that is no copy, and proves nothing. */

import { assertEquals } from "@std/assert";
import { createRedisBackend } from "../../../engine/redis/backend.ts";
import { copyKeys } from "../../../engine/redis/copy/copy_keys.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { redisLayout } from "../../../migrations/redis_layout.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { allKeys, applyOne, NEVER, putHash } from "../../support/redis_records.ts";

/** `user:<id>` to `user:{<id>}`; what has its braces already goes where it is. */
const braced = copyKeys({
  pattern: "user:*",
  judge: (key) => ({ target: key.includes("{") ? key : `user:{${key.slice(5)}}`, kind: "users" }),
  groupOf: (key) => key,
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`cleanup() deletes nothing that is said to be its own copy, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const backend = createRedisBackend({
      store: new RedisStore(client),
      migrations: [{ name: "001_users", version: 1, description: "Braces", change: braced }],
      layout: redisLayout(""),
    });
    for (const key of ["user:{a}", "user:b", "user:c"]) await putHash(client, key, { name: key });
    const [plan] = await backend.plan(["redis/001_users"], { signal: NEVER });
    assertEquals(plan!.estimatedItems, 2);
    const { outcome, processed } = await applyOne(backend, "redis/001_users", { signal: NEVER });
    assertEquals([outcome, processed], ["applied", 2]);
    const { deleted, kept } = await backend.cleanup("redis/001_users", { signal: NEVER });
    assertEquals([deleted, kept], [2, 0]);
    assertEquals(
      (await allKeys(client)).filter((key) => key.startsWith("user:")),
      ["user:{a}", "user:{b}", "user:{c}"],
    );
  });
}
