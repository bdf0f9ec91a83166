import { assertEquals, assertRejects } from "@std/assert";
import { LockHeldError } from "../../../engine/errors.ts";
import { acquireLock, type LockOptions, readLock } from "../../../engine/lock.ts";
import { connectLockSession } from "../../support/lock_session.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration:lock", ".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};
const owner = { host: "web-1", pid: 12, version: "1.2.0", command: "apply" };

Deno.test("acquireLock() takes every part, tells the owner, and gives all back", async () => {
  await using redis = await startRedis();
  await using server = await startPostgres();
  const client = redis.client();
  const url = await server.createDatabase();
  const options = async (): Promise<LockOptions> => ({
    redis: { client, names },
    sessions: [await connectLockSession(url, 10_000, names.lock)],
    owner,
    ttlMs: 10_000,
  });
  {
    await using lock = await acquireLock(await options());
    lock.report({ migration: "redis/002_timestamps", progress: "40%" });
    await lock.confirm();
    assertEquals((await lock.fence!.keys()).length, 1);
    const held = await readLock({ redis: { client, names } });
    assertEquals({ ...held, acquiredAt: null, heartbeatAt: null }, {
      ...owner,
      migration: null,
      progress: null,
      acquiredAt: null,
      heartbeatAt: null,
      source: names.lock,
      alive: true,
    });
    await assertRejects(
      async () => acquireLock(await options()),
      LockHeldError,
      "apply on host web-1, process 12",
    );
  }
  assertEquals(await client.keys("*"), []);
  await using again = await acquireLock(await options());
  await again.confirm();
});
