/** The name without a prefix, by which tools before v0.14 locked all installations of one Redis at once. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import { LockHeldError, LockLostError } from "../../../engine/errors.ts";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import { clearLock, readLock } from "../../../engine/lock/clear.ts";
import { outpostNames } from "../../../migrations/mod.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const SHARED = ".outpost:migration:lock";
/** What such a tool writes there. */
const TEXT = "migration=002_timestamps, started=2026-02-06T10:00:00+01:00";
const owner = { host: "web-1", pid: 12, version: "1.2.0", command: "apply" };

const take = (client: Redis, deploymentId: string, heartbeatMs = 1_000_000) =>
  acquireLock({
    redis: { client, names: outpostNames(deploymentId).lock },
    sessions: [],
    owner,
    ttlMs: 10_000,
    heartbeatMs,
  });
/** Tries to take the lock as an older tool does. */
const tryAsOlderTool = async (client: Redis) => await client.set(SHARED, TEXT, "EX", 3600, "NX") !== null;

Deno.test("acquireLock() for a deployment honours an older tool that locks without its ID, and keeps it out", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["dp_001", ""]) {
    await client.set(SHARED, TEXT, "EX", 3600);
    const refused = await assertRejects(() => take(client, id), LockHeldError);
    assertEquals(refused.owner?.source, SHARED);
    assertEquals(await client.keys("*"), [SHARED]);
    const redis = { client, names: outpostNames(id).lock };
    assertEquals((await readLock({ redis }))?.source, SHARED);
    assertEquals((await clearLock({ redis })).cleared, [SHARED]);
    {
      await using lock = await take(client, id);
      assert(!await tryAsOlderTool(client));
      await lock.confirm();
    }
    assertEquals(await client.keys("*"), []);
  }
});

Deno.test("Runs of several deployments hold the older tools' name together, until the last is over", async () => {
  await using server = await startRedis();
  const client = server.client();
  const one = await take(client, "dp_001");
  const other = await take(client, "", 50);
  const third = await take(client, "dp_002");
  for (const lock of [one, other, third]) await lock.confirm();
  // Each sees its own lock there, and no other's.
  assertEquals(await readLock({ redis: { client, names: outpostNames("dp_003").lock } }), null);
  assertEquals(await clearLock({ redis: { client, names: outpostNames("dp_003").lock } }), {
    cleared: [],
    owner: null,
  });
  await one[Symbol.asyncDispose]();
  await third[Symbol.asyncDispose]();
  // Whoever had taken it is gone: it is taken again with a heartbeat.
  await eventually(async () => assert(await client.exists(SHARED)));
  assert(!await tryAsOlderTool(client));
  await other.confirm();
  await other[Symbol.asyncDispose]();
  assertEquals(await client.keys("*"), []);
});

Deno.test("A run stops where an older tool took the name that was cleared away", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["dp_001", ""]) {
    await using lock = await take(client, id, 50);
    // What that tool's unlock does, and then another of its runs.
    await client.set(SHARED, TEXT);
    await eventually(() => assert(lock.signal.aborted));
    await assertRejects(() => lock.confirm(), LockLostError, SHARED);
    await lock[Symbol.asyncDispose]();
    assertEquals(await client.get(SHARED), TEXT);
    await client.del(SHARED);
  }
});

Deno.test("clearLock() leaves nothing of a dead run in the way of an older tool", async () => {
  await using server = await startRedis();
  const client = server.client();
  await using _ = await take(client, "dp_001");
  const redis = { client, names: outpostNames("dp_001").lock };
  const { cleared } = await clearLock({ redis }, { force: true });
  assertEquals(cleared.toSorted(), [
    SHARED,
    "dp_001:.outpost:migration:lock",
    "dp_001:.outpost:migration_lock",
    "dp_001:outpost:migration:lock",
  ]);
  assertEquals(await client.keys("*"), []);
});

Deno.test("acquireLock() does without the shared name where its user may touch the deployment's keys alone", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.call("ACL", "SETUSER", "one", "on", ">pw", "~dp_001:*", "&*", "+@all");
  const bound = server.client({ username: "one", password: "pw" });
  const redis = { client: bound, names: outpostNames("dp_001").lock };
  {
    await using lock = await take(bound, "dp_001", 50);
    await lock.confirm();
    await lock.fence!.renew();
    assertEquals((await readLock({ redis }))?.source, "dp_001:outpost:migration:lock");
    assertEquals((await clearLock({ redis }, { force: true })).cleared.length, 3);
  }
  assertEquals(await readLock({ redis }), null);
  assertEquals(await client.keys("*"), []);
});
