import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  InterruptedError,
  RefusedError,
  StoreDeniedError,
  StoreUnreachableError,
} from "../../../engine/errors.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startRedis } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  destinationFieldsOf,
  ENTITY,
  expiryOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };

Deno.test("002 converts times and 003 adds entity, and every other byte stays", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:{a:b}:tenant", tenantFields("a:b"));
  await putHash(client, "tenant:{a:b}:destination:d:e", destinationFieldsOf("d:e"));
  await putHash(client, "tenant:{gone}:tenant", { deleted_at: "2024-01-15T10:30:00Z" });
  await client.pexpireat("tenant:{gone}:tenant", 32503680000123);
  await putHash(client, "tenant:{mixed}:tenant", {
    id: "mixed",
    created_at: "1705289400123",
    updated_at: "",
  });
  await putHash(client, "tenant:{a:b}:destinations", { "d:e": "{}" });
  await client.rpush("tenant:{a:b}:destination:list", "2024-01-15T10:30:00Z");
  await putHash(client, "dp_001:tenant:{a:b}:tenant", tenantFields("a:b"));
  await putHash(client, "tenant:{a:b}", tenantFields("other"));
  const before = await snapshot(client);
  const backend = outpostBackend(client);
  for (const id of [TIMESTAMPS, ENTITY]) {
    const result = await applyOne(backend, id, { signal: NEVER });
    assertEquals([result.outcome, result.failed], ["applied", 0]);
  }
  const times = { created_at: "1705289400123", updated_at: "1706745600000" };
  assertEquals(await getHash(client, "tenant:{a:b}:tenant"), { id: "a:b", ...times, entity: "tenant" });
  assertEquals(await getHash(client, "tenant:{a:b}:destination:d:e"), {
    ...destinationFieldsOf("d:e"),
    created_at: "1705314600000",
    updated_at: "1705368600500",
    entity: "destination",
  });
  assertEquals((await getHash(client, "tenant:{gone}:tenant"))?.deleted_at, "2024-01-15T10:30:00Z");
  assertEquals(await expiryOf(client, "tenant:{gone}:tenant"), 32503680000123);
  assertEquals(await getHash(client, "tenant:{mixed}:tenant"), {
    id: "mixed",
    created_at: "1705289400123",
    updated_at: "",
    entity: "tenant",
  });
  const after = await snapshot(client);
  for (
    const untouched of [
      "tenant:{a:b}:destinations",
      "tenant:{a:b}:destination:list",
      "dp_001:tenant:{a:b}:tenant",
      "tenant:{a:b}",
    ]
  ) assertEquals(after.get(untouched), before.get(untouched), untouched);
  const again = await applyOne(backend, TIMESTAMPS, { signal: NEVER, rerun: true });
  assertEquals([again.processed, again.skipped], [0, 4]);
});

Deno.test("apply() with a deployment ID changes that deployment alone", async () => {
  await using server = await startRedis();
  const client = server.client({ db: 3 });
  for (const prefix of ["", "dp_001:", "dp_002:", "xdp_001:"]) {
    await putHash(client, `${prefix}tenant:{t}:tenant`, tenantFields("t"));
  }
  const before = await snapshot(client);
  const backend = outpostBackend(client, "dp_001");
  await applyAll(backend);
  const after = await snapshot(client);
  for (const prefix of ["", "dp_002:", "xdp_001:"]) {
    assertEquals(after.get(`${prefix}tenant:{t}:tenant`), before.get(`${prefix}tenant:{t}:tenant`));
  }
  assertEquals((await getHash(client, "dp_001:tenant:{t}:tenant"))?.entity, "tenant");
  assertEquals((await backend.read()).entries.map(({ status }) => status), [
    "not_applicable",
    "applied",
    "applied",
  ]);
  assertEquals(Object.keys(await getHash(client, "dp_001:outpost:migration:003_entity") ?? {}), [
    "status",
    "applied_at",
    "done_since",
    "first_began_at",
  ]);
});

Deno.test("apply() names the record that cannot be converted and finishes the others", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:{bad\xff}:tenant", { id: "bad\xff", created_at: "yesterday" });
  for (let i = 0; i < 300; i++) await putHash(client, `tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
  const backend = outpostBackend(client);
  const result = await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  assertEquals([result.outcome, result.processed, result.failed], ["failed", 300, 1]);
  assertEquals(result.issues, [
    'tenant:{bad\\xff}:tenant: it cannot be converted: created_at is "yesterday"',
  ]);
  const entry = (await backend.read()).entries[1];
  assertEquals(entry?.status, "failed");
  assert(entry?.reason?.includes("bad\\xff"), entry?.reason ?? "");
  const [verified] = await backend.verify([TIMESTAMPS], FULL);
  assertEquals([verified?.valid, verified?.checksRun], [false, 0]);

  const accepted = await applyOne(backend, TIMESTAMPS, { signal: NEVER, skipInvalid: true });
  assertEquals([accepted.outcome, accepted.processed, accepted.failed, accepted.skipped], [
    "applied",
    0,
    0,
    301,
  ]);
  assertEquals((await getHash(client, "tenant:{bad\xff}:tenant"))?.created_at, "yesterday");
  assertEquals((await getHash(client, "outpost:migration:002_timestamps"))?.skipped_invalid, "1");
  const [green] = await backend.verify([TIMESTAMPS], FULL);
  assertEquals([green?.valid, green?.checksRun], [true, 301]);
  assertEquals((await backend.read()).entries[1]?.status, "applied");
});

Deno.test("apply() that was interrupted shows as running, and the next one looks at everything", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 300, destinationsPerTenant: 9 });
  const backend = outpostBackend(client);
  for (const [run, share] of [300, 600].entries()) {
    const controller = new AbortController();
    const interrupted = await assertRejects(() =>
      applyOne(backend, HASH_TAGS, {
        signal: controller.signal,
        batchSize: 10,
        maxRate: 3000,
        onProgress: ({ processed, skipped }) => processed + skipped > share && controller.abort(),
      }), InterruptedError);
    assert(interrupted.hint !== undefined);
    const entry = (await backend.read()).entries[0];
    assertEquals(entry?.status, "running");
    // What is written where that run has been is not missed, neither after the first nor after the second of them.
    for (let i = 0; i < 200; i++) {
      await putHash(client, `tenant:late${run}_${i}`, tenantFields(`late${run}_${i}`));
    }
  }
  const copied = (await client.keys("tenant:{*")).length;
  assert(copied > 300 && copied < 3000, `${copied}`);
  const expected = (await client.keys("tenant:[tl]*")).length;
  const result = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.processed], ["applied", expected - copied]);
  assertEquals((await client.keys("tenant:{*")).length, expected);
});

Deno.test("apply() again of an applied migration that is interrupted does not show as applied", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 50, destinationsPerTenant: 2 });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const nothing = await applyOne(backend, ENTITY, { signal: NEVER });
  assertEquals([nothing.outcome, nothing.processed, nothing.skipped], ["applied", 0, 0]);
  const controller = new AbortController();
  controller.abort();
  await assertRejects(
    () => applyOne(backend, ENTITY, { signal: controller.signal, rerun: true }),
    InterruptedError,
  );
  assertEquals((await backend.read()).entries[2]?.status, "running");
  await applyOne(backend, ENTITY, { signal: NEVER });
  assertEquals((await backend.read()).entries[2]?.status, "applied");
});

Deno.test("apply() by two runners without a lock ends as by one", async () => {
  await using server = await startRedis();
  await using other = await startRedis();
  for (const one of [server, other]) await seedLegacyRedis(one, { tenants: 100, destinationsPerTenant: 5 });
  const backends = [outpostBackend(server.client()), outpostBackend(server.client())];
  for (const id of [HASH_TAGS, TIMESTAMPS, ENTITY]) {
    const results = await Promise.all(
      backends.map((backend) => applyOne(backend, id, { signal: NEVER, batchSize: 50 })),
    );
    assertEquals(results.map(({ outcome, failed, conflicts }) => [outcome, failed, conflicts]), [
      ["applied", 0, 0],
      ["applied", 0, 0],
    ]);
  }
  await applyAll(outpostBackend(other.client()));
  const [one, two] = await Promise.all([server, other].map((each) => snapshot(each.client())));
  for (const snap of [one!, two!]) {
    for (const key of [...snap.keys()]) if (key.startsWith("outpost:")) snap.delete(key);
    for (const [key, value] of snap) snap.set(key, value.replace(/^hash \d+/, "hash ttl")); // Seeded at two moments.
  }
  assertEquals(one, two);
});

Deno.test("plan() counts what will be done, with what earlier migrations are about to create", async () => {
  await using server = await startRedis();
  const client = server.client();
  const seeded = await seedLegacyRedis(server, {
    tenants: 100,
    destinationsPerTenant: 3,
    deletedShare: 0.05,
  });
  await putHash(client, "tenant:{new}:tenant", { ...tenantFields("new"), credentials: "secret" });
  const backend = outpostBackend(client);
  const ids = [HASH_TAGS, TIMESTAMPS, ENTITY];
  const plans = await backend.plan(ids, { signal: NEVER });
  assertEquals(plans.map(({ scope }) => scope), [
    { tenants: 100, destinations: seeded.destinations, summaries: seeded.summaries },
    { tenants: seeded.tenants + 1, destinations: seeded.destinations },
    { tenants: 101, destinations: seeded.destinations },
  ]);
  const results = await applyAll(backend);
  assertEquals(results.map(({ processed }) => processed), plans.map(({ estimatedItems }) => estimatedItems));
  assertEquals(plans.map(({ examples }) => examples.length), [3, 3, 3]);
  assert(!JSON.stringify(plans).includes("secret"));
  assertEquals((await backend.plan(ids, { signal: NEVER })).map(({ estimatedItems }) => estimatedItems), [
    0,
    0,
    0,
  ]);
});

Deno.test("verify() finds a single changed, missing or unconverted record, and takes newer ones", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 40, destinationsPerTenant: 3, deletedShare: 0.05 });
  const backend = outpostBackend(client);
  const ids = [HASH_TAGS, TIMESTAMPS, ENTITY];
  const pending = await backend.verify(ids, FULL);
  assertEquals(pending.map(({ valid, checksRun }) => [valid, checksRun]), [[false, 0], [false, 0], [
    false,
    0,
  ]]);
  await applyAll(backend);
  const originals = (await client.keys("tenant:tenant*")).length;
  const check = async () =>
    (await backend.verify(ids, FULL)).map(({ valid, issues }) => [valid, issues.length]);
  const [first] = await backend.verify([HASH_TAGS], FULL);
  assertEquals([first?.checksRun, first?.checksPassed], [originals, originals]);
  const fine = [[true, 0], [true, 0], [true, 0]];
  assertEquals(await check(), fine);
  const sampled = await backend.verify(ids, { signal: NEVER, full: false, sample: 5 });
  assertEquals(sampled.map(({ valid }) => valid), [true, true, true]);
  assert(sampled.every(({ checksRun }) => checksRun >= 5 && checksRun <= 25));

  const [tenant, destination] = [
    "tenant:{tenant_0000003}:tenant",
    "tenant:{tenant_0000003}:destination:des_3_1",
  ];
  const good = await client.dumpBuffer(destination);
  const restore = () => client.call("RESTORE", destination, 0, good!, "REPLACE");
  await client.hset(destination, "config", "{}");
  assertEquals(await check(), [[false, 1], [true, 0], [true, 0]]);
  await client.unlink(destination); // As the application does, when a tombstone ends.
  assertEquals(await check(), fine);
  await restore();
  await client.hdel(destination, "entity");
  await client.hset(tenant, "created_at", (await client.hget("tenant:tenant_0000003", "created_at"))!);
  assertEquals(await check(), [[true, 0], [false, 1], [false, 1]]); // Not converted, but no other copy either.
  await client.hset(tenant, "created_at", "1699974803000");
  await client.hset(destination, "entity", "destination");
  await client.pexpireat(destination, 32503680000123);
  assertEquals(await check(), [[false, 1], [true, 0], [true, 0]]);
  await restore();
  assertEquals(await check(), fine);

  // A summary alone that differs is wrong; it is right where the application has changed the destinations.
  const summary = "tenant:{tenant_0000003}:destinations";
  await client.hset(summary, "des_3_1", "{}");
  assertEquals(await check(), [[false, 1], [true, 0], [true, 0]]);
  await client.hset(destination, "config", "{}", "updated_at", "1905289400123");
  assertEquals(await check(), fine);
  await client.hset(summary, "new", "{}");
  assertEquals(await check(), [[false, 1], [true, 0], [true, 0]]);
  await client.hset("tenant:{tenant_0000003}:destination:new", {
    id: "new",
    updated_at: "1",
    entity: "destination",
  });
  await client.hdel(summary, "des_3_2");
  await client.hset("tenant:{tenant_0000003}:destination:des_3_2", "deleted_at", "1905289400123");
  assertEquals(await check(), fine);
  await client.hset(tenant, "deleted_at", "1905289400123");
  await client.pexpireat(tenant, 32503680000123);
  assertEquals(await check(), fine);
});

Deno.test("cleanup() deletes what is proven and lists what it keeps", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 40, destinationsPerTenant: 3 });
  const backend = outpostBackend(client);
  await assertRejects(() => backend.cleanup(HASH_TAGS, { signal: NEVER }), RefusedError);
  await applyAll(backend);
  const before = await snapshot(client);
  const originals = [...before.keys()].filter((key) => key.startsWith("tenant:tenant"));
  await client.hset("tenant:{tenant_0000003}:tenant", "id", "other");
  await client.unlink("tenant:{tenant_0000004}:tenant");
  await client.hset("tenant:{tenant_0000005}:tenant", "updated_at", "1905289400123");
  assertEquals(await backend.planCleanup(HASH_TAGS, { signal: NEVER }), originals.length);
  assertEquals(await backend.planCleanup(TIMESTAMPS, { signal: NEVER }), null);
  const controller = new AbortController();
  const partly = backend.cleanup(HASH_TAGS, {
    signal: controller.signal,
    maxRate: 200,
    batchSize: 5,
    onProgress: () => controller.abort(),
  });
  await assertRejects(() => partly, InterruptedError);
  const result = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals(result.kept, 2);
  assertEquals([...result.issues].sort(), [
    "tenant:tenant_0000003: its copy tenant:{tenant_0000003}:tenant is different",
    "tenant:tenant_0000004: the application has deleted its copy tenant:{tenant_0000004}:tenant; resolve, naming it, deletes it for the copy",
  ]);
  assertEquals((await client.keys("tenant:tenant*")).sort(), [
    "tenant:tenant_0000003",
    "tenant:tenant_0000004",
  ]);
  const after = await snapshot(client);
  for (const [key, value] of before) {
    if (!originals.includes(key) && !/000000[345]}:tenant/.test(key)) assertEquals(after.get(key), value);
  }
});

Deno.test("read() understands the older layouts, and adopt() brings them up to date", async () => {
  await using server = await startRedis();
  const client = server.client();
  const backend = outpostBackend(client);
  const statuses = async () => (await backend.read()).entries.map(({ status }) => status);
  await client.set("outpost:schema:version", "1");
  await client.set(
    "outpost:migration:002_timestamps:state",
    '{"phase":"verified","applied_at":"2024-05-01T00:00:00Z"}',
  );
  await client.hset("outpost:migration:003_entity:state", { phase: "planned" });
  assertEquals(await statuses(), ["applied", "applied", "pending"]);
  await client.hset("outpost:migration:003_entity:state", { phase: "cleaned" });
  assertEquals(await statuses(), ["applied", "applied", "applied"]);
  assertEquals((await backend.read()).adoptable, true);
  assertEquals((await backend.read()).entries[1]?.appliedAt, new Date("2024-05-01T00:00:00Z"));
  await backend.adopt({ signal: NEVER });
  assertEquals((await backend.read()).adoptable, false);
  const { recorded_at, ...recorded } = (await getHash(client, "outpost:migration:002_timestamps"))!;
  const { first_began_at, ...told } = recorded;
  assertEquals(told, { status: "applied", applied_at: "2024-05-01T00:00:00Z" });
  assertEquals(Number(first_began_at), Date.parse("2024-04-30T23:00:00Z")); // No run of that tool took longer.
  assertMatch(recorded_at!, /Z$/);
  // A deployment inherits what all of them shared before.
  for (const name of ["002_timestamps", "003_entity"]) {
    await client.del(`outpost:migration:${name}`);
    await client.hset(`outpost:migration:${name}`, told);
  }
  const deployment = outpostBackend(client, "dp_001");
  assertEquals((await deployment.read()).entries.map(({ status }) => status), [
    "not_applicable",
    "applied",
    "applied",
  ]);
  await putHash(client, "dp_001:tenant:{t}:tenant", tenantFields("t"));
  const [contradicted] = await deployment.verify([TIMESTAMPS], FULL);
  assertEquals(contradicted?.issues, [
    "outpost:migration:002_timestamps says that it was applied, the records say otherwise",
    "dp_001:tenant:{t}:tenant: it is not converted",
  ]);
  await deployment.adopt({ signal: NEVER });
  assertEquals((await getHash(client, "dp_001:outpost:migration:001_hash_tags"))?.status, "not_applicable");
  const repaired = await applyOne(deployment, TIMESTAMPS, { signal: NEVER, rerun: true });
  assertEquals([repaired.outcome, repaired.processed], ["applied", 1]);
});

Deno.test("markFresh() marks a fresh Redis once, and none that is in use", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("outpost:migration:lock", "held");
  await client.set(".outpost:migration:lock", "held");
  await client.set("dp_001:outpost:installation_id", "another deployment's");
  const mark = (deploymentId = "") => outpostBackend(client, deploymentId).markFresh({ signal: NEVER });
  assertEquals(await mark(), true);
  assertEquals(await mark(), false);
  const entries = async (id = "") =>
    (await outpostBackend(client, id).read()).entries.map(({ status }) => status);
  assertEquals(await entries(), ["applied", "applied", "applied"]);
  assertEquals(await mark("dp_001"), false);
  assertEquals(await mark("dp_002"), true);
  assertEquals(await entries("dp_002"), ["not_applicable", "applied", "applied"]);
  await client.flushall();
  await client.set("tenant:x", "1");
  assertEquals(await mark(), false);
  assertEquals((await entries())[0], "pending");
});

Deno.test("read(), plan(), verify() and planCleanup() need read commands alone", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 50, destinationsPerTenant: 2 });
  await putHash(client, "tenant:a:b", tenantFields("a:b"));
  await putHash(client, "tenant:{x}", tenantFields("{x}"));
  await applyAll(outpostBackend(client));
  await putHash(client, "tenant:more", { ...tenantFields("more"), updated_at: "2100-01-01T00:00:00Z" });
  const before = await snapshot(client);
  const backend = outpostBackend(await server.reader());
  assertEquals((await backend.read()).entries.map(({ status }) => status), ["applied", "applied", "applied"]);
  assertEquals((await backend.plan([HASH_TAGS], { signal: NEVER }))[0]?.estimatedItems, 1);
  const verified = await backend.verify([HASH_TAGS, TIMESTAMPS, ENTITY], FULL);
  assertEquals(verified.map(({ valid }) => valid), [false, true, true]);
  assert((await backend.planCleanup(HASH_TAGS, { signal: NEVER }))! > 100);
  assertEquals(await snapshot(client), before);
  await assertRejects(() => applyOne(backend, TIMESTAMPS, { signal: NEVER, rerun: true }), StoreDeniedError);
});

// Node's sockets leave timers behind in the oldest Deno, when an attempt to connect fails.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test("read() of a server that is gone or refuses is an error, never pending", quietly, async () => {
  await using server = await startRedis(["--requirepass", "sesame"]);
  const wrong = outpostBackend(server.client({ password: "wrong", retryStrategy: () => null }));
  const denied = await assertRejects(() => wrong.read(), StoreDeniedError);
  assert(!`${denied.message} ${denied.hint}`.includes("wrong"));
  await assertRejects(() => outpostBackend(server.client()).read(), StoreDeniedError);
  const gone = outpostBackend(server.client({ port: 1, retryStrategy: () => null }));
  await assertRejects(() => gone.read(), StoreUnreachableError);
});

Deno.test("apply() keeps to the rate and to the size of batches", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 60, destinationsPerTenant: 4, hashTags: true });
  const backend = outpostBackend(client);
  const before = performance.now();
  const result = await applyOne(backend, TIMESTAMPS, { signal: NEVER, batchSize: 7, maxRate: 1000 });
  assert(result.processed > 200);
  assert(performance.now() - before >= 250);
  const statistics = String(await client.info("commandstats"));
  const scans = Number(/cmdstat_scan:calls=(\d+)/.exec(statistics)?.[1]);
  assert(scans >= 300 / 7 / 2, statistics);
});
