/** Several deployments in one Redis: one walk serves all, and each has its own state, lock and counts. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { ApplyError, InterruptedError, LockHeldError, LockLostError } from "../../../engine/errors.ts";
import {
  createFleet,
  type CreateFleetOptions,
  type Fleet,
  type FleetOutcome,
} from "../../../engine/fleet.ts";
import { createRegistry } from "../../../engine/registry.ts";
import { findOutpostDeployments } from "../../../migrations/find_deployments.ts";
import { outpostNames } from "../../../migrations/mod.ts";
import { frozenRedisMigrations } from "../../support/frozen_registry.ts";
import {
  allKeys,
  destinationFieldsOf,
  ENTITY,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { startPair } from "../../support/redis_pair.ts";
import { eventually } from "../../support/server.ts";

const ALL = [HASH_TAGS, TIMESTAMPS, ENTITY];

function fleetOf(redis: Redis | Cluster, ids: readonly string[], more: { lockTtlMs?: number } = {}): Fleet {
  const options = (deployment: string): CreateFleetOptions["deployments"][number] => ({
    registry: createRegistry({ redis: frozenRedisMigrations(deployment) }),
    names: outpostNames(deployment),
    redis,
    deployment,
    version: "1.0.0",
    owner: { host: "test", pid: 1 },
    ...more,
  });
  return createFleet({ deployments: ids.map(options) });
}

/** Records of one deployment as it has them: the installation without an ID in the form before hash tags. */
async function seed(redis: Redis | Cluster, id: string, tenants: number): Promise<void> {
  for (let i = 0; i < tenants; i++) {
    if (id === "") {
      await putHash(redis, `tenant:t${i}`, tenantFields(`t${i}`));
      await putHash(redis, `tenant:t${i}:destination:d`, destinationFieldsOf("d"));
    } else {
      await putHash(redis, `${id}:tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
      await putHash(redis, `${id}:tenant:{t${i}}:destination:d`, destinationFieldsOf("d"));
    }
  }
}

const valueOf = <T>(outcomes: readonly FleetOutcome<T>[], name: string): T => {
  const outcome = outcomes.find(({ deployment }) => deployment === name)!;
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
};
const errorOf = (outcomes: readonly FleetOutcome<unknown>[], name: string): unknown => {
  const outcome = outcomes.find(({ deployment }) => deployment === name)!;
  if (outcome.ok) throw new Error(`${name} came to its end`);
  return outcome.error;
};
const statuses = async (redis: Redis | Cluster, id: string) =>
  (await outpostBackend(redis, id).read()).entries.map(({ status }) => status);

/** How often commands of a name came, from clients and from scripts. */
async function callsOf(redis: Redis, name: string): Promise<number> {
  const told = await redis.info("commandstats");
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(told)?.[1] ?? 0);
}

/** Counts the walks that a server sees begin. */
async function watchWalks(redis: Redis): Promise<(work: () => Promise<unknown>) => Promise<number>> {
  const monitor = await redis.monitor();
  monitor.on("error", () => {}); // It outlives the server.
  let [walks, marks] = [0, 0];
  monitor.on("monitor", (_time: string, [command = "", first, ...rest]: string[]) => {
    // Looks at a few keys by the way ask for another number of them.
    if (/^scan$/i.test(command) && first === "0" && rest.at(-1) === "250") walks++;
    if (/^echo$/i.test(command)) marks++;
  });
  const counted = async () => {
    const before = marks;
    await redis.echo("mark");
    await eventually(() => Promise.resolve(assert(marks > before)));
    return walks;
  };
  return async (work) => {
    const before = await counted();
    await work();
    return await counted() - before;
  };
}

Deno.test("Fleet leaves every deployment as it would be left by itself, whatever becomes of the others", async () => {
  await using server = await startRedis();
  await using alone = await startRedis();
  const [redis, other] = [server.client(), alone.client()];
  const ids = ["", "a", "a-b", "b", "broken", "done", "held", "tenant1"];
  for (const client of [redis, other]) {
    for (const id of ids) await seed(client, id, 30);
    await putHash(client, "broken:tenant:{x}:tenant", { id: "x", created_at: "yesterday" });
    // Looks like records of "a" and of "b", and is somebody else's.
    await putHash(client, "a:b:tenant:{t1}:tenant", tenantFields("t1"));
    await putHash(client, "a:tenant:{t1}:tenant:extra", tenantFields("t1"));
    await client.set("held:outpost:migration:lock", "another tool", "EX", 3600);
    await outpostBackend(client, "done").apply(ALL, { signal: NEVER });
  }
  assertEquals(await findOutpostDeployments(redis), ids.toSorted());
  const outcomes = await fleetOf(redis, ids).each((engine) => engine.apply({ waitMs: 0 }));
  for (const id of ids) {
    const [engine] = fleetOf(other, [id]).engines.values();
    const expected = await engine!.apply({ waitMs: 0 }).then((value) => ({ ok: true, value }), (error) => ({
      ok: false,
      error,
    }));
    const outcome = outcomes.find(({ deployment }) => deployment === id)!;
    assertEquals(outcome.ok, expected.ok, id);
    const counts = (of: unknown) => JSON.stringify(of, (key, value) => key === "durationMs" ? 0 : value);
    if (outcome.ok && "value" in expected) assertEquals(counts(outcome.value), counts(expected.value), id);
  }
  assertInstanceOf(errorOf(outcomes, "held"), LockHeldError);
  const broken = errorOf(outcomes, "broken");
  assertInstanceOf(broken, ApplyError);
  assertEquals((broken as ApplyError).results.find(({ id }) => id === TIMESTAMPS)?.failed, 1);
  assertEquals(await statuses(redis, "broken"), ["not_applicable", "failed", "failed"]);
  assertEquals(await statuses(redis, "held"), ["not_applicable", "pending", "pending"]);
  const records = async (client: Redis) =>
    [...await snapshot(client)].filter(([key]) => !key.includes("outpost:"));
  assertEquals(await records(redis), await records(other));
  assertEquals((await allKeys(redis)).filter((key) => /lock|fence/.test(key)), [
    "held:outpost:migration:lock",
  ]);
});

Deno.test("Fleet looks through the keys once for all deployments, to plan, apply, verify and clean up", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const ids = ["", ...Array.from({ length: 19 }, (_, i) => `dp_${i}`)];
  for (const id of ids) await seed(redis, id, 40);
  const [fleet, one] = [fleetOf(redis, ids), fleetOf(redis, [""])];
  const walksOf = await watchWalks(server.client());
  const compare = async (work: (of: Fleet) => Promise<unknown>) => {
    const [all, single] = [await walksOf(() => work(fleet)), await walksOf(() => work(one))];
    assert(all > 0 && all <= single, `${all} walks for all, ${single} for one`);
  };
  await compare((of) => of.each((engine) => engine.plan()));
  const outcomes: FleetOutcome<unknown>[] = [];
  await compare(async (of) => {
    outcomes.push(
      ...await of.each((engine) => engine.apply({ rerun: of === one, ...(of === one ? { ids: ALL } : {}) })),
    );
  });
  assertEquals(outcomes.filter(({ ok }) => !ok), []);
  const verified = await fleet.each((engine) => engine.verify({ full: true }));
  for (const id of ids) {
    const { ok, redis: found } = valueOf(verified, id);
    assertEquals([ok, found.at(-1)!.checksRun], [true, 80], id);
  }
  await compare((of) => of.each((engine) => engine.verify({ full: true })));
  await compare((of) => of.each((engine) => engine.verify()));
  await compare((of) => of.each((engine) => engine.planCleanup()));
  const cleaned = await fleet.each((engine) => engine.cleanup(HASH_TAGS));
  assertEquals(valueOf(cleaned, "").deleted, 80);
  assertEquals(valueOf(cleaned, "dp_1").deleted, 0);
});

Deno.test("Fleet asks the server once for all deployments what concerns all of them", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const ids = Array.from({ length: 50 }, (_, i) => `dp_${i}`);
  for (const id of ids) await seed(redis, id, 2);
  const outcomes = await fleetOf(redis, ids).each((engine) => engine.plan());
  assertEquals(outcomes.filter(({ ok }) => !ok), []);
  const [asked, pages] = [await callsOf(redis, "info"), await callsOf(redis, "scan")];
  assert(asked < ids.length / 2, `asked ${asked} times`);
  assert(pages < ids.length / 2, `${pages} pages of keys`);
});

Deno.test("Fleet waits for the replicas of all deployments at once", async () => {
  await using pair = await startPair();
  const { primary, link } = pair;
  const redis = primary.client();
  const ids = Array.from({ length: 30 }, (_, i) => `dp_${i}`);
  for (const id of ids) await seed(redis, id, 2);
  link.stall();
  const applying = fleetOf(redis, ids).each((engine) => engine.apply());
  const other = primary.client();
  await eventually(async () => assert((await other.info("clients")).includes("blocked_clients:1")));
  link.cut();
  assertEquals((await applying).filter(({ ok }) => !ok), []);
  const waits = await callsOf(redis, "wait");
  assert(waits > 0 && waits < ids.length / 2, `waited ${waits} times`);
});

Deno.test("Fleet waits for nobody who waits for his lock, and he is done when it is free", async () => {
  await using server = await startRedis();
  const redis = server.client();
  for (const id of ["a", "b"]) await seed(redis, id, 5);
  await redis.set("b:outpost:migration:lock", "another tool", "EX", 3600);
  let waited = false;
  const work = fleetOf(redis, ["a", "b"]).each((engine, name) =>
    engine.apply({ waitMs: 60_000, onWait: () => waited ||= name === "b" })
  );
  await eventually(async () =>
    assertEquals(await statuses(redis, "a"), ["not_applicable", "applied", "applied"])
  );
  await eventually(() => Promise.resolve(assert(waited)));
  assertEquals(await statuses(redis, "b"), ["not_applicable", "pending", "pending"]);
  await redis.del("b:outpost:migration:lock");
  assertEquals((await work).map(({ ok }) => ok), [true, true]);
  assertEquals(await statuses(redis, "b"), ["not_applicable", "applied", "applied"]);
});

Deno.test("Fleet stops the deployment whose lock is lost alone, and all when it is told to; the next run finishes", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const ids = ["", "a", "b"];
  for (const id of ids) await seed(redis, id, 400);
  const slow = { maxRate: 1000, waitMs: 0 };
  const atWork = async () =>
    assert(/^\d+$/.test((await getHash(redis, "a:tenant:{t0}:tenant"))!.created_at!));
  const lost = fleetOf(redis, ids, { lockTtlMs: 1500 }).each((engine) => engine.apply(slow));
  await eventually(async () => assertEquals((await statuses(redis, "a"))[1], "running"));
  await redis.del("a:outpost:migration:lock");
  const outcomes = await lost;
  assertInstanceOf(errorOf(outcomes, "a"), LockLostError);
  assertEquals(outcomes.map(({ ok }) => ok), [true, false, true]);
  await redis.del("b:outpost:migration:003_entity");
  const stop = new AbortController();
  const stopped = fleetOf(redis, ids).each((engine) => engine.apply({ ...slow, signal: stop.signal }));
  await eventually(async () => assertEquals((await statuses(redis, "b"))[2], "running"));
  stop.abort();
  const ended = await stopped;
  assertEquals(ended.map(({ ok }) => ok), [true, false, false]);
  assertInstanceOf(errorOf(ended, "b"), InterruptedError);
  assertEquals((await allKeys(redis)).filter((key) => /lock|fence/.test(key)), []);
  assertEquals((await fleetOf(redis, ids).each((engine) => engine.apply())).map(({ ok }) => ok), [
    true,
    true,
    true,
  ]);
  await atWork();
  for (
    const { value } of (await fleetOf(redis, ids).each((engine) => engine.verify({ full: true }))).flatMap((
      one,
    ) => one.ok ? [one] : [])
  ) {
    assertEquals(value.ok, true);
  }
});

Deno.test("Fleets that overlap do each deployment once, whatever its ID, and touch no other's records", async () => {
  await using server = await startRedis();
  const redis = server.client();
  // Letters of IDs stand side by side in one pattern, where a hyphen could mean all between its neighbours.
  const ids = ["", "-", "--a", "9_", "Z-", "_", "a", "a-", "a-b", "z"];
  for (const id of ids) await seed(redis, id, 20);
  await seed(redis, "b", 20);
  const before = await snapshot(redis);
  assertEquals(await findOutpostDeployments(redis), [...ids, "b"].toSorted());
  const outcomes = await Promise.all(
    [ids, ids.toReversed(), ids.slice(3, 7)].map((some) =>
      fleetOf(redis, some).each((engine) => engine.apply({ waitMs: 60_000 }))
    ),
  );
  assertEquals(outcomes.flat().filter(({ ok }) => !ok), []);
  for (const id of ids) {
    const done = outcomes.flatMap((of) => of.filter(({ deployment }) => deployment === id))
      .flatMap((outcome) => outcome.ok ? outcome.value.results : []);
    const [first] = done.filter(({ id }) => id === TIMESTAMPS);
    assertEquals([done.length, first?.processed], [id === "" ? 3 : 2, 40], `"${id}"`);
  }
  assertEquals(await statuses(redis, "b"), ["not_applicable", "pending", "pending"]);
  const after = await snapshot(redis);
  for (const [key, value] of before) if (key.startsWith("b:")) assertEquals(after.get(key), value);
  const verified = await fleetOf(redis, ids).each((engine) => engine.verify({ full: true }));
  for (const id of ids) assert(valueOf(verified, id).ok, id);
});

Deno.test("Fleet leaves a deployment that is deleted meanwhile deleted", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const ids = ["", "a", "gone"];
  for (const id of ids) await seed(redis, id, 200);
  const work = fleetOf(redis, ids, { lockTtlMs: 1500 }).each((engine) =>
    engine.apply({ maxRate: 500, waitMs: 0 })
  );
  await eventually(async () => assertEquals((await statuses(redis, "gone"))[2], "running"));
  const keys = (await allKeys(redis)).filter((key) => key.startsWith("gone:"));
  await redis.del(...keys);
  const outcomes = await work;
  assertInstanceOf(errorOf(outcomes, "gone"), LockLostError);
  assertEquals(outcomes.map(({ ok }) => ok), [true, true, false]);
  assertEquals((await allKeys(redis)).filter((key) => /^gone:|lock|fence/.test(key)), []);
  assertEquals(await findOutpostDeployments(redis), ["", "a"]);
});

Deno.test("Fleet does the same in a cluster", async () => {
  await using cluster = await startRedisCluster();
  const redis = cluster.client();
  const ids = ["", "a", "b"];
  for (const id of ids) await seed(redis, id, 20);
  assertEquals(await findOutpostDeployments(redis), ids);
  const fleet = fleetOf(redis, ids);
  assertEquals((await fleet.each((engine) => engine.apply())).map(({ ok }) => ok), [true, true, true]);
  const verified = await fleet.each((engine) => engine.verify({ full: true }));
  for (const id of ids) {
    assertEquals([valueOf(verified, id).ok, valueOf(verified, id).redis.at(-1)!.checksRun], [true, 40]);
  }
  assertEquals(valueOf(await fleet.each((engine) => engine.cleanup(HASH_TAGS)), "").deleted, 40);
  assertEquals((await allKeys(redis)).filter((key) => /lock|fence/.test(key)), []);
});
