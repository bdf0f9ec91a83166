import { assert, assertEquals, assertRejects } from "@std/assert";
import { InterruptedError, LockLostError } from "../../../engine/errors.ts";
import type { Fence } from "../../../engine/lock/lock.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { walk } from "../../../engine/redis/walk/walk.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startProxy } from "../../support/proxy.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";
import { applyOne, ENTITY, NEVER, outpostBackend, snapshot } from "../../support/redis_records.ts";

Deno.test("walk() visits every key that matches, in batches of the size asked for", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.mset(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, "1"])));
  await client.mset(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`other${i}`, "1"])));
  const seen = new Set<string>();
  const shares: number[] = [];
  await walk(new RedisStore(client), {
    pattern: "k*",
    signal: NEVER,
    batchSize: 40,
    visit: (keys) => {
      assert(keys.length <= 40);
      keys.forEach((key) => seen.add(key));
      return Promise.resolve();
    },
    onStep: (share) => shares.push(share),
  });
  assertEquals(seen.size, 3000);
  assert(shares.length > 10 && shares.every((share, i) => share <= 1 && share >= (shares[i - 1] ?? 0)));
});

Deno.test("walk() has many small batches in flight, and few large ones", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.mset(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, "1"])));
  for (const [batchSize, expected] of [[20, 15], [100, 3], [250, 3]] as const) {
    let [inFlight, records] = [0, 0];
    const reached = Promise.withResolvers<void>();
    await walk(new RedisStore(client), {
      pattern: "k*",
      signal: NEVER,
      batchSize,
      visit: async (keys) => {
        inFlight++;
        records += keys.length;
        assert(inFlight <= 3 || records <= 300);
        if (inFlight === expected) reached.resolve();
        await reached.promise;
        await client.ping();
        inFlight--;
        records -= keys.length;
      },
    });
  }
});

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test("walk() begins anew when another server process answers", quietly, async () => {
  const first = await startRedis();
  const client = first.client({ maxRetriesPerRequest: null, retryStrategy: () => 20 });
  const fill = async (port: number) => {
    await using more = await Promise.resolve({
      client: first.client({ port }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    const keys = Array.from({ length: 1000 }, (_, i) => [`k${i}`, "1"]);
    await more.client.mset(Object.fromEntries(keys));
  };
  await fill(first.port);
  const seen = new Set<string>();
  let second: Awaited<ReturnType<typeof startRedis>> | undefined;
  try {
    await walk(new RedisStore(client), {
      pattern: "k*",
      signal: NEVER,
      batchSize: 20,
      visit: async (keys) => {
        if (seen.size > 300 && second === undefined) {
          seen.clear(); // What was seen of the first server tells nothing of the second.
          Deno.kill(first.pid, "SIGKILL");
          const connect = async () => (await Deno.connect({ port: first.port })).close();
          await eventually(() => assertRejects(connect, Deno.errors.ConnectionRefused));
          second = await eventually(() => startRedis([], first.port));
          await fill(first.port);
          return;
        }
        keys.forEach((key) => seen.add(key));
      },
    });
    assertEquals(seen.size, 1000);
  } finally {
    await first[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  }
});

Deno.test("walk() visits every key though its connection leads elsewhere for a moment", quietly, async () => {
  await using one = await startRedis();
  await using other = await startRedis();
  const keys = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, "1"]));
  for (const server of [one, other]) await server.client().mset(keys);
  await using proxy = startProxy(one.port);
  for (let round = 0; round < 30; round++) {
    const client = one.client({ port: proxy.port, maxRetriesPerRequest: 20, retryStrategy: () => 2 });
    const seen = new Set<string>();
    let visits = 0;
    await walk(new RedisStore(client), {
      pattern: "k*",
      signal: NEVER,
      batchSize: 100,
      visit: async (batch) => {
        const visit = visits++;
        if (visit === round || visit === round + 1 + round % 4) {
          proxy.redirect(visit === round ? other.port : one.port);
          await client.ping();
        }
        batch.forEach((key) => seen.add(key));
      },
    });
    proxy.redirect(one.port);
    assertEquals(seen.size, 5000, `round ${round}`);
    client.disconnect();
  }
});

Deno.test("walk() finishes the batches in hand and then throws when the signal fires", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, "1"])));
  const controller = new AbortController();
  let [begun, finished] = [0, 0];
  await assertRejects(() =>
    walk(new RedisStore(client), {
      pattern: "k*",
      signal: controller.signal,
      batchSize: 10,
      visit: async () => {
        begun++;
        controller.abort();
        await client.ping();
        finished++;
      },
    }), InterruptedError);
  assert(begun > 0 && begun < 20);
  assertEquals(finished, begun);
});

Deno.test("apply() writes nothing once its fence is gone, and goes on when it was only renewed", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 30, destinationsPerTenant: 3, hashTags: true, deletedShare: 0 });
  const backend = outpostBackend(client);
  const fenceOf = (renew: () => Promise<void>): Fence => ({
    token: "mine",
    keys: () => Promise.resolve(["fence"]),
    renew,
  });
  const before = await snapshot(client);
  await client.set("fence", "another's");
  const lost = fenceOf(() => Promise.reject(new LockLostError("Lost")));
  await assertRejects(() => applyOne(backend, ENTITY, { signal: NEVER, fence: lost }), LockLostError);
  await client.unlink("fence");
  assertEquals(await snapshot(client), before);

  let renewed = 0;
  const renewing = fenceOf(async () => {
    renewed++;
    await client.set("fence", "mine");
  });
  const result = await applyOne(backend, ENTITY, { signal: NEVER, fence: renewing });
  assertEquals([result.outcome, result.processed], ["applied", 120]);
  assertEquals(renewed, 1);

  const controller = new AbortController();
  controller.abort(new LockLostError("Lost"));
  await assertRejects(
    () => applyOne(backend, ENTITY, { signal: controller.signal, rerun: true }),
    LockLostError,
  );
});
