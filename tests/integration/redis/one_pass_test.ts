import { assertEquals } from "@std/assert";
import { createRedisBackend } from "../../../engine/redis/backend.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { copyKeys } from "../../../engine/redis/copy/copy_keys.ts";
import { transformRecords, type TransformRules } from "../../../engine/redis/transform/change.ts";
import { redisLayout } from "../../../migrations/redis_layout.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

/** A migration of `user:*`, with users of another kind beside them. */
function ofUsers(version: number, rules: Pick<TransformRules, "fields" | "kindOf" | "change">) {
  const lookalikes = {
    ...{ pattern: "user:*", fields: ["other"], questions: () => [], isOther: () => false },
    isOne: () => true,
  };
  const change = transformRecords({ pattern: "user:*", groupOf: (key) => key, ...rules, lookalikes });
  return { name: `00${version}_users`, version, description: "", change };
}

Deno.test("apply() shows each migration what those before it made of a record, lookalikes or none", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "user:a", { name: "Ada" });
  const backend = createRedisBackend({
    store: new RedisStore(client),
    layout: redisLayout(""),
    migrations: [
      ofUsers(1, {
        fields: ["kind"],
        kindOf: () => "users",
        change: (_, [kind]) => kind ? null : ["kind", "user"],
      }),
      ofUsers(2, {
        fields: ["kind", "role"],
        kindOf: (_, [kind]) => kind ? "users" : null,
        change: (_, [, role]) => role ? null : ["role", "reader"],
      }),
    ],
  });
  const ids = backend.migrations.map(({ id }) => id);
  const planned = await backend.plan(ids, { signal: NEVER });
  assertEquals(planned.map(({ estimatedItems }) => estimatedItems), [1, 1]);
  const results = await applyAll(backend);
  assertEquals(results.map(({ outcome, processed }) => [outcome, processed]), [["applied", 1], [
    "applied",
    1,
  ]]);
  assertEquals(await getHash(client, "user:a"), { name: "Ada", kind: "user", role: "reader" });
});

Deno.test("apply() keeps what is applied true of copies that a migration before it cannot convert", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  const written = { created_at: "never", updated_at: "2100-01-01T00:00:00Z" };
  await putHash(client, "tenant:t:destination:d", { ...destinationFieldsOf("d"), ...written });
  const again = await backend.apply([HASH_TAGS, TIMESTAMPS], { signal: NEVER, rerun: true });
  assertEquals(again.map(({ outcome, processed, failed }) => [outcome, processed, failed]), [
    ["applied", 1, 0],
    ["failed", 0, 1],
  ]);
  const copy = await getHash(client, "tenant:{t}:destination:d");
  assertEquals([copy?.created_at, copy?.entity], ["never", "destination"]);
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`apply() copies what a migration before has converted, and nothing else, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const lower = transformRecords({
      ...{ pattern: "user:*", fields: ["email"], groupOf: (key: string) => key },
      kindOf: (key) => key.startsWith("user:") ? "users" : null,
      change: (_, [email]) =>
        !email?.includes("@")
          ? { invalid: "email" }
          : email === email.toLowerCase()
          ? null
          : ["email", email.toLowerCase()],
    });
    const renamed = copyKeys({
      pattern: "user:*",
      judge: (key) => ({ target: `person:{${key.slice(5)}}`, kind: "users" }),
      groupOf: (key) => key,
    });
    const backend = createRedisBackend({
      store: new RedisStore(client),
      layout: redisLayout(""),
      migrations: [lower, renamed].map((change, i) => (
        { name: `00${i + 1}_users`, version: i + 1, description: "", change }
      )),
    });
    await putHash(client, "user:a", { email: "A@EXAMPLE.COM" });
    await putHash(client, "user:b", { email: "B" });
    const results = await applyAll(backend);
    assertEquals(results.map(({ outcome, processed, failed }) => [outcome, processed, failed]), [
      ["failed", 1, 1],
      ["failed", 1, 1],
    ]);
    assertEquals(await getHash(client, "person:{a}"), { email: "a@example.com" });
    assertEquals(await getHash(client, "person:{b}"), null);
    await putHash(client, "user:b", { email: "B@EXAMPLE.COM" });
    assertEquals((await applyAll(backend)).map(({ outcome }) => outcome), ["applied", "applied"]);
    assertEquals(await getHash(client, "person:{b}"), { email: "b@example.com" });
  });
}

for (const where of ["one server", "a cluster"]) {
  Deno.test(`apply() looks at no copy that it has made itself, on ${where}`, async () => {
    await using stack = new AsyncDisposableStack();
    const cluster = where === "a cluster" ? stack.use(await startRedisCluster()) : null;
    const nodes = cluster?.nodes ?? [stack.use(await startRedis())];
    const client = cluster === null ? nodes[0]!.client() : cluster.client();
    const records = 3000;
    await Promise.all(
      Array.from({ length: records }, (_, i) => putHash(client, `tenant:t${i}`, tenantFields(`t${i}`))),
    );
    await putHash(client, "tenant:{odd", tenantFields("{odd")); // An original whose key looks like that of a copy.
    const stats = await Promise.all(nodes.map(async (node) => {
      const own = node.client();
      await own.config("RESETSTAT");
      return () => own.info("commandstats");
    }));
    const results = await applyAll(outpostBackend(client));
    assertEquals(results.map(({ outcome, processed }) => [outcome, processed]), [
      ["applied", records + 1],
      ["applied", records + 1],
      ["applied", records + 1],
    ]);
    assertEquals((await getHash(client, "tenant:{{odd}:tenant"))?.id, "{odd");
    const told = (await Promise.all(stats.map((tell) => tell()))).join();
    const reads = [...told.matchAll(/cmdstat_hmget:calls=(\d+)/g)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    );
    // Read once, and on one server compared as it was copied. A page of SCAN may tell a key twice, when the table grows.
    assertEquals(Math.round(reads / records * 10) / 10, cluster === null ? 2 : 1);
  });
}

Deno.test("A second run and `verify --full` read each form of a record once, and compare the two in the server", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 20, destinationsPerTenant: 9 });
  const backend = outpostBackend(client);
  const ids = backend.migrations.map(({ id }) => id);
  await backend.apply(ids, { signal: NEVER });
  const forms = (await client.keys("tenant:*")).length;
  const jobs: Readonly<Record<string, () => Promise<unknown>>> = {
    again: () => backend.apply(ids, { signal: NEVER, rerun: true }),
    verify: () => backend.verify(ids, { signal: NEVER, full: true, sample: 0 }),
  };
  for (const [name, work] of Object.entries(jobs)) {
    await client.config("RESETSTAT");
    await work();
    const stats = await client.info("commandstats");
    const calls = (of: string) => Number(new RegExp(`cmdstat_${of}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    // Beside the records there is the bookkeeping. A list differs from its copy by nothing that has to be looked up.
    assertEquals(
      [name, calls("hmget") <= forms + 20, calls("hgetall") <= forms + 20],
      [name, true, true],
      stats,
    );
  }
});

Deno.test("Lookalikes are searched for on the way: a backlog is two walks over all keys, `cleanup` and its count one each", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 5, destinationsPerTenant: 3, deletedShare: 0 }); // A page of SCAN holds all.
  const backend = outpostBackend(client);
  const walks = async (work: () => Promise<unknown>) => {
    await client.config("RESETSTAT");
    await work();
    return Number(/cmdstat_scan:calls=(\d+)/.exec(await client.info("commandstats"))?.[1] ?? 0);
  };
  const signal = NEVER;
  assertEquals(await walks(() => applyAll(backend)), 2);
  assertEquals(await walks(() => backend.planCleanup(HASH_TAGS, { signal })), 1);
  assertEquals(await walks(() => backend.cleanup(HASH_TAGS, { signal })), 1);
});

Deno.test("cleanup() that comes upon lookalikes late deletes what is proven of them too, and they go last", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: 400, destinationsPerTenant: 3, deletedShare: 0 });
  const ids = ["{a}", "{b}", "{a}:destination:b"];
  for (const id of ids) {
    await putHash(client, `tenant:${id}`, tenantFields(id));
    await putHash(client, `tenant:${id}:destination:d`, destinationFieldsOf("d"));
    await putHash(client, `tenant:${id}:destinations`, { d: "1" });
  }
  const backend = outpostBackend(client);
  await applyAll(backend);
  const originals = await backend.planCleanup(HASH_TAGS, { signal: NEVER });
  assertEquals(originals, 5 * 400 + 3 * ids.length);
  const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [originals, 0]);
  const left = await client.keys("tenant:*");
  assertEquals(left.length, originals);
  assertEquals(await getHash(client, "tenant:{{a}}:destination:d"), {
    ...destinationFieldsOf("d"),
    ...await getHash(client, "tenant:{{b}}:destination:d"),
  });
});
