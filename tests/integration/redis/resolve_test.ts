import { assert, assertEquals, assertRejects } from "@std/assert";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";
import { runInProcess } from "../../support/cli.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
const [OLD, NEW] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];
const LATER = "2100-01-01T00:00:00Z";

for (const where of ["one server", "a cluster"]) {
  Deno.test(`settle() writes the form that is kept, on ${where}, and both are one then`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    for (const keep of ["original", "copy"] as const) {
      await putHash(client, "tenant:t", tenantFields("t"));
      await putHash(client, OLD, destinationFieldsOf("d"));
      const backend = outpostBackend(client);
      for (const { id } of backend.migrations) await applyOne(backend, id, { signal: NEVER, rerun: true });
      await putHash(client, OLD, { credentials: "\xffrotated", updated_at: LATER });
      await putHash(client, NEW, { disabled_at: "4102444900000" });
      assertEquals(await backend.differences(HASH_TAGS, ["tenant:nobody"], { signal: NEVER }), []);
      const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
      assertEquals(found.map(({ key, hasCopy }) => [key, hasCopy]), [[OLD, true]]);
      const told = new Map(found[0]!.fields.map(({ name, original, copy }) => [name, [original, copy]]));
      assertEquals(told.get("credentials"), ["hidden, 8 bytes", "hidden, 10 bytes"]);
      assertEquals(told.get("disabled_at"), ["2024-03-01T00:00:00Z", "4102444900000"]);
      const settled = await backend.settle(HASH_TAGS, found, keep, { signal: NEVER });
      assertEquals(settled, { id: HASH_TAGS, resolved: 1, issues: [] });
      const copy = await getHash(client, NEW);
      if (keep === "original") {
        // What is kept has been through the later migrations too.
        assertEquals([copy?.credentials, copy?.updated_at, copy?.entity], [
          "\xffrotated",
          "4102444800000",
          "destination",
        ]);
        assertEquals((await getHash(client, OLD))?.updated_at, LATER);
      } else {
        assertEquals(copy?.disabled_at, "4102444900000");
        assertEquals(await getHash(client, OLD), copy);
      }
      assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
      const { kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
      assertEquals(kept, 0);
      await client.del("tenant:{t}:tenant");
      await client.del(NEW);
      await client.del("outpost:migration:001_hash_tags");
    }
  });
}

Deno.test("settle() settles what ends at a time too, however often it is read", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const keys = Array.from({ length: 8 }, (_, i) => `tenant:t${i}`);
  for (const [i, key] of keys.entries()) await putHash(client, key, tenantFields(`t${i}`));
  const backend = outpostBackend(client);
  await applyAll(backend);
  for (const key of keys) {
    await client.del(key);
    await putHash(client, key, { deleted_at: LATER });
    await client.pexpire(key, 3_600_000);
  }
  const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  const settled = await backend.settle(HASH_TAGS, found, "original", { signal: NEVER });
  assertEquals(settled, { id: HASH_TAGS, resolved: keys.length, issues: [] });
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`settle() takes a record for what it was that its server has put in another order, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    // A server goes on growing the table of such a hash each time that somebody asks for a field of it.
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`d${i}`, "x".repeat(100)]));
    const [list, plain] = ["tenant:t:many", "tenant:t:plain"];
    await putHash(client, "tenant:t", tenantFields("t"));
    await putHash(client, list, many);
    await client.set(plain, "one");
    const backend = outpostBackend(client);
    await applyAll(backend);
    for (const keep of ["original", "copy"] as const) {
      await putHash(client, list, { [`${keep} of the original`]: "x" });
      await putHash(client, "tenant:{t}:many", { [`${keep} of the copy`]: "x" });
      await client.append("tenant:{t}:plain", "more");
      const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
      assertEquals(found.map(({ key }) => key).sort(), [list, plain]);
      const settled = await backend.settle(HASH_TAGS, found, keep, { signal: NEVER });
      assertEquals(settled, { id: HASH_TAGS, resolved: 2, issues: [] });
      assertEquals(await getHash(client, list), await getHash(client, "tenant:{t}:many"));
    }
    assertEquals(await client.get(plain), "onemore");
  });
}

Deno.test("settle() writes no copy over a record that may be another tenant's", async () => {
  await using server = await startRedis();
  const client = server.client();
  const key = "tenant:{x}:destination:d";
  for (const id of ["x", "{x}"]) await putHash(client, `tenant:${id}`, tenantFields(id));
  await putHash(client, key, destinationFieldsOf("d"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  // To an application of the new form it is tenant x's.
  await putHash(client, key, { credentials: "rotated", updated_at: "4102444800000" });
  const before = await snapshot(client);
  const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  const { resolved, issues } = await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER });
  assertEquals([resolved, issues], [0, [`${key}: left alone, it may be another record as well`]]);
  assertEquals(await snapshot(client), before);
  assertEquals((await backend.settle(HASH_TAGS, found, "original", { signal: NEVER })).resolved, 1);
});

Deno.test("settle() leaves alone what has changed since it was shown, and deletes an original that no copy is kept of", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["d", "e", "f"]) {
    await putHash(client, `tenant:t:destination:${id}`, destinationFieldsOf(id));
  }
  const backend = outpostBackend(client);
  await applyAll(backend);
  for (const id of ["d", "e"]) {
    await putHash(client, `tenant:t:destination:${id}`, { updated_at: LATER, note: "x" });
  }
  await client.del("tenant:{t}:destination:f");
  const found = await backend.differences(HASH_TAGS, [
    OLD,
    "tenant:t:destination:e",
    "tenant:t:destination:f",
  ], {
    signal: NEVER,
  });
  assertEquals(found.map(({ fault }) => fault !== null), [true, true, false]);
  await client.hset("tenant:t:destination:e", "note", "once more");
  const before = await snapshot(client);
  const settled = await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER });
  assertEquals([settled.resolved, settled.issues], [2, [
    "tenant:t:destination:e: left alone, it has changed since it was shown",
  ]]);
  const after = await snapshot(client);
  for (const key of ["tenant:t:destination:e", "tenant:{t}:destination:e", NEW]) {
    assertEquals(after.get(key), before.get(key));
  }
  assertEquals(after.has("tenant:t:destination:f"), false);
});

Deno.test("apply --rerun converts what it copies after the later migrations were applied", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  await putHash(client, "tenant:late", { ...tenantFields("late"), updated_at: LATER });
  const again = await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true });
  assertEquals([again.outcome, again.processed], ["applied", 1]);
  assertEquals(await getHash(client, "tenant:{late}:tenant"), {
    id: "late",
    created_at: "1705289400123",
    updated_at: "4102444800000",
    entity: "tenant",
  });
  const ids = backend.migrations.map(({ id }) => id);
  assertEquals((await backend.verify(ids, FULL)).map(({ issues }) => issues), [[], [], []]);
});

Deno.test("apply --rerun converts the copies that an earlier run left unconverted, and names those it cannot convert", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const backend = outpostBackend(client);
  for (const id of [HASH_TAGS, TIMESTAMPS]) await applyOne(backend, id, { signal: NEVER });
  const records = { fine: tenantFields("fine"), bad: { ...tenantFields("bad"), created_at: "yesterday" } };
  for (const [id, record] of Object.entries(records)) {
    for (const key of [`tenant:${id}`, `tenant:{${id}}:tenant`]) await putHash(client, key, record);
  }
  const again = await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true });
  assertEquals([again.outcome, again.failed, again.issues], [
    "failed",
    1,
    ['tenant:{bad}:tenant: it cannot be converted: created_at is "yesterday"'],
  ]);
  assertEquals(await getHash(client, "tenant:{fine}:tenant"), {
    id: "fine",
    created_at: "1705289400123",
    updated_at: "1706745600000",
  });
});

Deno.test("outpost migrate resolve shows both forms, asks, and settles what it showed", async () => {
  await using server = await startRedis();
  const client = server.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  await putHash(client, OLD, { ...destinationFieldsOf("d"), credentials: "sesame" });
  await applyAll(outpostBackend(client));
  await putHash(client, OLD, { credentials: "open sesame", updated_at: LATER });
  const run = (line: string, answers?: readonly string[]) =>
    runInProcess(line.split(" "), { env, ...(answers === undefined ? {} : { answers, columns: 120 }) });
  const command = `migrate resolve redis/1 ${OLD} --keep original`;
  assertEquals((await run("migrate resolve redis/1 --keep original")).code, 2);
  assertEquals((await run(`migrate resolve redis/1 ${OLD} --all --keep copy`)).code, 2);
  assertEquals((await run(`migrate resolve redis/1 ${OLD} --keep both`)).code, 2);
  assertEquals((await run(command)).code, 2, "there is no terminal");
  const declined = await run(command, ["n"]);
  assert(declined.stdout.includes(OLD) && declined.stdout.includes("hidden, 6 bytes"), declined.stdout);
  assert(!declined.stdout.includes("sesame"));
  assertEquals((await getHash(client, NEW))?.credentials, "sesame");
  const settled = await run(command, ["y"]);
  assertEquals(settled.code, 0, settled.stderr);
  assertEquals((await getHash(client, NEW))?.credentials, "open sesame");
  const nothing = await run("migrate resolve redis/1 --all --keep copy --json --yes");
  assertEquals(JSON.parse(nothing.stdout), { id: HASH_TAGS, keep: "copy", resolved: 0, issues: [] });
  const missing = await run("migrate resolve redis/1 tenant:nobody --keep copy --json --yes");
  assertEquals([missing.code, JSON.parse(missing.stdout).issues], [1, [
    "tenant:nobody: there is no such original",
  ]]);
});

Deno.test("settle() writes a long summary of either form, while nobody touches it", async () => {
  await using server = await startRedis();
  const client = server.client();
  const [list, copy] = ["tenant:t:destinations", "tenant:{t}:destinations"];
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`d${i}`, "{}"]));
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, list, many);
  const backend = outpostBackend(client);
  await applyAll(backend);
  for (const keep of ["original", "copy"] as const) {
    await putHash(client, list, { d1: `old ${keep}` });
    await putHash(client, copy, { d1: `new ${keep}` });
    const shown = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    assertEquals(shown.map(({ key }) => key), [list]);
    await putHash(client, list, { d2: keep });
    const late = await backend.settle(HASH_TAGS, shown, keep, { signal: NEVER });
    assertEquals(late.issues, [`${list}: left alone, it has changed since it was shown`]);
    const again = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    assertEquals(await backend.settle(HASH_TAGS, again, keep, { signal: NEVER }), {
      id: HASH_TAGS,
      resolved: 1,
      issues: [],
    });
    assertEquals(await getHash(client, list), await getHash(client, copy));
    assertEquals((await getHash(client, list))?.d1, keep === "original" ? "old original" : "new copy");
  }
});

Deno.test("settle() keeps an original in one step: its copy is never seen unconverted", async () => {
  await using server = await startRedis();
  const [client, watcher] = [server.client(), server.client()];
  await putHash(client, OLD, destinationFieldsOf("d"));
  await applyAll(outpostBackend(client));
  await putHash(client, OLD, { credentials: "rotated", updated_at: LATER });
  await putHash(client, NEW, { disabled_at: "4102444900000" });
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const seen = new Set<string>();
  client.callBuffer = (async (...args: unknown[]) => {
    const reply = await send(...args);
    const { updated_at, entity } = await watcher.hgetall(NEW);
    seen.add(`${updated_at} ${entity}`);
    return reply;
  }) as typeof client.callBuffer;
  const backend = outpostBackend(client);
  const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  assertEquals((await backend.settle(HASH_TAGS, found, "original", { signal: NEVER })).resolved, 1);
  assertEquals([...seen], ["1705368600500 destination", "4102444800000 destination"]);
});

Deno.test("apply --rerun converts what an earlier one copied that ended before it could", async () => {
  await using server = await startRedis();
  const [client, application] = [server.client(), server.client()];
  // A tenant whose whole ID is braced: copies are asked what they are, and cannot be made as they are to be.
  for (const id of ["t", "{b}"]) await putHash(client, `tenant:${id}`, tenantFields(id));
  await applyAll(outpostBackend(client));
  await putHash(application, OLD, { ...destinationFieldsOf("d"), updated_at: LATER });
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  client.callBuffer = (async (...args: unknown[]) => {
    if (await application.exists(NEW) === 1) throw new TypeError("killed");
    return await send(...args);
  }) as typeof client.callBuffer;
  const rerun = { signal: NEVER, rerun: true };
  await assertRejects(() => applyOne(outpostBackend(client), HASH_TAGS, rerun), TypeError, "killed");
  assertEquals((await getHash(application, NEW))?.entity, undefined);
  await applyOne(outpostBackend(application), HASH_TAGS, { signal: NEVER });
  assertEquals((await getHash(application, NEW))?.entity, "destination");
  assertEquals((await getHash(application, NEW))?.updated_at, "4102444800000");
});
