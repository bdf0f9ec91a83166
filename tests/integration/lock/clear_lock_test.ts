/** Clearing a lock: what is refused, what goes, and what the holder learns of it. */

import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import { InterruptedError, LockHeldError, LockLostError, RefusedError } from "../../../engine/errors.ts";
import { acquireLock } from "../../../engine/lock/acquire.ts";
import { clearLock, readLock } from "../../../engine/lock/clear.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};
const all = [names.lock, ...names.older];
const owner = { host: "web-1", pid: 12, version: "1.2.0", command: "apply" };

Deno.test("clearLock() refuses while the holder's heartbeat is fresh, unless forced", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await using lock = await acquireLock({ redis: { client, names }, sessions: [], owner });
  const refused = await assertRejects(
    () => clearLock({ redis: { client, names } }),
    LockHeldError,
    "host web-1",
  );
  assertEquals(refused.hint?.includes("unlock({ force: true })"), true);
  await lock.confirm();
  const { cleared, owner: cast } = await clearLock({ redis: { client, names } }, { force: true });
  assertEquals(cleared, all);
  assertEquals(cast?.host, "web-1");
  assertEquals(await client.keys("*"), []);
  await assertRejects(() => lock.confirm(), LockLostError);
});

Deno.test("clearLock() clears a lock whose heartbeat stopped, and its holder cannot go on", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const options = { redis: { client, names }, sessions: [], owner, ttlMs: 6000, heartbeatMs: 1_000_000 };
  await using lock = await acquireLock(options);
  await assertRejects(() => clearLock({ redis: { client, names } }), LockHeldError);
  await eventually(async () => assertEquals((await readLock({ redis: { client, names } }))?.alive, false));
  assertEquals((await clearLock({ redis: { client, names } })).cleared, all);
  assertEquals(await client.keys("*"), []);
  await assertRejects(() => lock.fence!.renew(), LockLostError);
});

Deno.test("clearLock() clears nothing once its caller waits no longer", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await client.set(names.lock, "12", "EX", 3600);
  const options = { force: true, signal: AbortSignal.abort() };
  await assertRejects(
    () => clearLock({ redis: { client, names } }, options),
    InterruptedError,
    "nothing was",
  );
  assertEquals(await client.keys("*"), [names.lock]);
});

Deno.test("clearLock() clears nothing either whose caller stopped waiting while it was at it", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await client.set(names.lock, "12", "EX", 3600);
  const stop = new AbortController();
  const first = client.eval.bind(client) as (...args: unknown[]) => Promise<unknown>;
  client.eval = async (...args: unknown[]) => {
    const answer = await first(...args);
    stop.abort();
    return answer;
  };
  await assertRejects(
    () => clearLock({ redis: { client, names } }, { force: true, signal: stop.signal }),
    InterruptedError,
    "nothing was",
  );
  assertEquals(await client.keys("*"), [names.lock]);
});

Deno.test("clearLock() clears what older tools left under each of their names", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await client.set(names.older[0]!, Buffer.from([0xff, 0x00, 0x7b]), "EX", 3600);
  const found = await readLock({ redis: { client, names } });
  assertEquals(found, {
    ...{ host: null, pid: null, version: null, command: null, migration: null, progress: null },
    ...{ acquiredAt: null, heartbeatAt: null, source: names.older[0]!, alive: true },
  });
  assertEquals(await clearLock({ redis: { client, names } }), { cleared: [names.older[0]!], owner: found });
  assertEquals(await client.keys("*"), []);
});

Deno.test("readLock() and clearLock() name a key of another type, which they leave alone", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  for (const name of all) {
    await client.flushall();
    await client.sadd(name, "x");
    for (const ask of [readLock, clearLock]) {
      const { hint } = await assertRejects(
        () => ask({ redis: { client, names } }),
        RefusedError,
        `"${name}"`,
      );
      assertEquals(hint?.toString().includes("RENAME"), true);
    }
    assertEquals(await client.keys("*"), [name]);
  }
});

Deno.test("clearLock() finds nothing to clear, and does without Redis", async () => {
  await using redis = await startRedis();
  assertEquals(await clearLock({ redis: { client: redis.client(), names } }), { cleared: [], owner: null });
  assertEquals(await clearLock({ redis: null }), { cleared: [], owner: null });
});

Deno.test("clearLock() breaks the fence on every master of a cluster", async () => {
  await using redis = await startRedisCluster();
  const client = redis.client();
  await using lock = await acquireLock({ redis: { client, names }, sessions: [], owner });
  assertEquals((await clearLock({ redis: { client, names } }, { force: true })).cleared, all);
  for (const node of redis.nodes) assertEquals(await node.client().keys("*"), []);
  await assertRejects(() => lock.confirm(), LockLostError);
});
