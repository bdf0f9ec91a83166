import { assertEquals } from "@std/assert";
import { lookAhead } from "../../../engine/redis/lookalikes.ts";
import { copyKeys } from "../../../engine/redis/copy/copy_keys.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  allKeys,
  applyAll,
  applyOne,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

Deno.test("lookAhead() looks for what one function tells among the keys of every pattern, by whatever fields", async () => {
  await using server = await startRedis();
  const client = server.client();
  const isOne = (_key: string, { values }: { readonly values: readonly (string | null)[] }) =>
    values[0] === "1";
  const copying = (from: string, field: string) =>
    copyKeys({
      ...{ pattern: `${from}:*`, fields: [field], groupOf: (key) => key, judge: () => null },
      lookalikes: { pattern: `${from}:*`, isOne },
    });
  const store = new RedisStore(client);
  const context = { store, signal: NEVER };
  await putHash(client, "b:1", { own: "1" });
  assertEquals((await lookAhead([copying("a", "own")], context)).found, false);
  assertEquals((await lookAhead([copying("b", "other")], context)).found, false);
  assertEquals((await lookAhead([copying("b", "own")], context)).found, true);
  assertEquals((await lookAhead([copying("a", "own"), copying("b", "own")], context)).found, true);
});

Deno.test("what belongs to a tenant is copied to it also where the beginning of its ID is a tenant with a braced ID", async () => {
  await using server = await startRedis();
  const client = server.client();
  const ids = ["{x}", "{x}:y", "{x}:y}"];
  for (const id of ids) {
    await putHash(client, `tenant:${id}`, tenantFields(id));
    await putHash(client, `tenant:${id}:destinations`, { d: "{}" });
    await putHash(client, `tenant:${id}:destination:d`, destinationFieldsOf("d"));
    await client.set(`tenant:${id}:other`, "1");
  }
  await applyAll(outpostBackend(client));
  const copies = ["destination:d", "destinations", "other", "tenant"];
  assertEquals(
    (await allKeys(client)).filter((key) => ids.some((id) => key.startsWith(`tenant:{${id}}:`))).sort(),
    ids.flatMap((id) => copies.map((suffix) => `tenant:{${id}}:${suffix}`)).sort(),
  );
});

Deno.test("all is copied of a tenant with an empty ID, whatever type it is of", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.set("tenant::string", "1");
  await client.rpush("tenant::list", "1");
  await putHash(client, "tenant::hash", { field: "1" });
  await putHash(client, "tenant::destinations", { d: "{}" });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const copies = ["destinations", "hash", "list", "string"].map((suffix) => `tenant:{}:${suffix}`);
  assertEquals((await allKeys(client)).filter((key) => key.startsWith("tenant:{}:")), copies);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.checksRun, 4);
  const { deleted, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, issues], [4, []]);
  assertEquals((await allKeys(client)).filter((key) => key.startsWith("tenant:")), copies);
});

for (const ids of [["x", "{x}:y"], ["x", "{x}", "{x}:y"]]) {
  Deno.test(`what could be another tenant's as well is copied and never deleted: ${ids.join(" and ")}`, async () => {
    await using server = await startRedis();
    const client = server.client();
    for (const id of ids) await putHash(client, `tenant:${id}`, tenantFields(id));
    const keys = ["tenant:{x}:y:destinations", "tenant:{x}:y:other"];
    await putHash(client, keys[0]!, { d: "{}" });
    await client.set(keys[1]!, "1");
    const backend = outpostBackend(client);
    await applyAll(backend);
    assertEquals(await getHash(client, "tenant:{{x}:y}:destinations"), { d: "{}" });
    assertEquals(await client.get("tenant:{{x}:y}:other"), "1");
    const full = { signal: NEVER, full: true, sample: 0 };
    // Again when the tenant in the braces is gone: it is the other one's without doubt then.
    for (const left of [keys, []]) {
      assertEquals((await backend.verify([HASH_TAGS], full))[0]?.issues, []);
      const { issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
      assertEquals([...issues].sort(), left.map((key) => `${key}: it may be another record as well`));
      assertEquals((await allKeys(client)).filter((key) => keys.includes(key)), left);
      await client.del("tenant:{x}:tenant");
    }
  });
}

for (const ids of [["{x}", "x:destination:d"], ["{x}", "x:destinations"], ["x", "{{x}}"]]) {
  Deno.test(`all is copied, found again and cleaned up of tenants ${ids.join(" and ")}`, async () => {
    await using server = await startRedis();
    const client = server.client();
    for (const id of ids) {
      await putHash(client, `tenant:${id}`, tenantFields(id));
      await putHash(client, `tenant:${id}:destinations`, { d: "{}" });
      await putHash(client, `tenant:${id}:destination:d`, destinationFieldsOf("d"));
    }
    const backend = outpostBackend(client);
    await applyAll(backend);
    const all = backend.migrations.map(({ id }) => id);
    const verify = () => backend.verify(all, { signal: NEVER, full: true, sample: 0 });
    assertEquals((await verify()).map(({ checksRun, issues }) => [checksRun, issues])[0], [6, []]);
    const { deleted, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
    assertEquals([deleted, issues], [6, []]);
    assertEquals((await verify()).flatMap(({ issues }) => issues), []);
    const copies = ids.flatMap((id) =>
      ["destination:d", "destinations", "tenant"].map((suffix) => `tenant:{${id}}:${suffix}`)
    );
    assertEquals((await allKeys(client)).filter((key) => key.startsWith("tenant:")), copies.sort());
  });
}

Deno.test("a tenant stays deleted whose ID begins with that of a braced one, before it is copied and after", async () => {
  await using server = await startRedis();
  const client = server.client();
  const deleted = { deleted_at: "2100-01-01T00:00:00Z" };
  await putHash(client, "tenant:{x}", tenantFields("{x}"));
  await putHash(client, "tenant:{x}:before", deleted);
  await putHash(client, "tenant:{x}:after", tenantFields("{x}:after"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  assertEquals(await getHash(client, "tenant:{{x}:before}:tenant"), { ...deleted, entity: "tenant" });
  await client.del("tenant:{x}:after");
  await putHash(client, "tenant:{x}:after", deleted);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, [
    "tenant:{x}:after: its copy tenant:{{x}:after}:tenant is different",
  ]);
  assertEquals((await allKeys(client)).filter((key) => key.startsWith("tenant:{{x}}:")), [
    "tenant:{{x}}:tenant",
  ]);
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`nothing is written over an original where tenants x and {x} have the same destination, nor deleted for it, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    for (const id of ["x", "{x}"]) {
      await putHash(client, `tenant:${id}`, tenantFields(id));
      await putHash(client, `tenant:${id}:destinations`, { d: "{}", [id]: "{}" });
      await putHash(client, `tenant:${id}:destination:d`, destinationFieldsOf("d"));
      await client.hset(`tenant:${id}:destination:d`, "credentials", `of ${id}`);
    }
    const [own, others] = ["tenant:x:destination:d", "tenant:{x}:destination:d"];
    const backend = outpostBackend(client);
    for (const { id } of backend.migrations) await applyOne(backend, id, { signal: NEVER, rerun: true });
    const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    assertEquals(found.map(({ key, copy }) => [key, copy]).sort(), [
      [own, others],
      ["tenant:x:destinations", "tenant:{x}:destinations"],
    ]);
    const credentials = async () => [
      await client.hget(own, "credentials"),
      await client.hget(others, "credentials"),
    ];
    for (const keep of ["original", "copy"] as const) {
      const { resolved, issues } = await backend.settle(HASH_TAGS, found, keep, { signal: NEVER });
      assertEquals([resolved, [...issues].sort()], [
        0,
        found.map(({ key, copy }) =>
          `${key}: left alone, its copy ${copy} may be another record that has no copy: ` +
          "if it is, move it to the new name of its own; if not, delete this one"
        ).sort(),
      ]);
      assertEquals(await credentials(), ["of x", "of {x}"]);
    }
    await putHash(client, "tenant:{{x}}:destination:d", (await getHash(client, others))!);
    await client.del(others);
    await client.del("tenant:x:destinations");
    const results = await applyAll(backend);
    assertEquals(results.map(({ outcome }) => outcome), Array(3).fill("applied"));
    assertEquals(await credentials(), ["of x", "of x"]);
    assertEquals(await client.hget("tenant:{{x}}:destination:d", "credentials"), "of {x}");
  });

  Deno.test(`settle() deletes no tenant {x} by whom it is known that a destination is no copy of that of tenant x, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const [own, others] = ["tenant:x:destination:d", "tenant:{x}:destination:d"];
    for (const id of ["x", "{x}"]) await putHash(client, `tenant:${id}`, tenantFields(id));
    await putHash(client, own, destinationFieldsOf("d"));
    await putHash(client, others, { ...destinationFieldsOf("d"), updated_at: "2024-05-01T00:00:00Z" });
    const backend = outpostBackend(client);
    assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "failed");
    await client.del("tenant:{{x}}:tenant");
    const found = await backend.differences(HASH_TAGS, ["tenant:{x}"], { signal: NEVER });
    const { resolved, issues } = await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER });
    assertEquals([resolved, issues.length, await client.exists("tenant:{x}")], [0, 1, 1]);
    const { outcome, failed } = await applyOne(backend, HASH_TAGS, { signal: NEVER });
    assertEquals([outcome, failed], ["failed", 1]);
  });

  Deno.test(`a newer destination of tenant {x} is no copy of that of tenant x, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const [own, others] = ["tenant:x:destination:d", "tenant:{x}:destination:d"];
    const issue = `${own}: its copy ${others} may be another record that has no copy`;
    for (const id of ["x", "{x}"]) await putHash(client, `tenant:${id}`, tenantFields(id));
    await putHash(client, own, destinationFieldsOf("d"));
    const newer = { ...destinationFieldsOf("d"), updated_at: LATER };
    await putHash(client, others, newer);
    const backend = outpostBackend(client);
    const first = await applyOne(backend, HASH_TAGS, { signal: NEVER });
    assertEquals([first.outcome, first.issues], ["failed", [issue]]);
    // And where it was written after all had been copied.
    await client.del(others);
    await applyAll(backend);
    await putHash(client, others, newer);
    for (let round = 1; round <= 2; round++) {
      const { issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
      assertEquals([...issues].sort(), [issue, "tenant:{x}: others that are kept may be known by it"]);
      for (const key of [own, others, "tenant:{x}"]) assertEquals(await client.exists(key), 1);
    }
  });
}

const FULL = { signal: NEVER, full: true, sample: 0 };
const LATER = "2100-01-01T00:00:00Z";
const [BRACED, OLD, NEW] = ["tenant:{x}", "tenant:{x}:destination:d", "tenant:{{x}}:destination:d"];
/** Some come before their tenant in a walk, and some behind it. */
const IDS = ["", ...Array.from({ length: 40 }, (_, i) => String(i))];

for (const where of ["one server", "a cluster"]) {
  const start = async () => {
    const server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    await putHash(client, BRACED, tenantFields("{x}"));
    for (const id of IDS) await putHash(client, OLD + id, destinationFieldsOf(`d${id}`));
    const backend = outpostBackend(client);
    await applyAll(backend);
    const originals = async () => (await allKeys(client)).filter((key) => /^tenant:\{x/.test(key));
    return { client, backend, originals, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  };

  Deno.test(`cleanup() keeps the tenant by whom originals are known that it keeps, on ${where}`, async () => {
    await using it = await start();
    const { client, backend, originals } = it;
    await putHash(client, OLD, { config: "old", updated_at: "2100-01-01T00:00:00Z" });
    const difference = `${OLD}: its copy ${NEW} is different`;
    for (let round = 1; round <= 2; round++) {
      const { kept, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
      assertEquals([kept, issues], [2, [difference, `${BRACED}: others that are kept may be known by it`]]);
      assertEquals(await originals(), [BRACED, OLD]);
      assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, [difference]);
    }
    const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    await backend.settle(HASH_TAGS, found, "original", { signal: NEVER });
    assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).kept, 0);
    assertEquals(await originals(), []);
  });

  Deno.test(`cleanup() deletes a tenant after the originals that are known by it, on ${where}`, async () => {
    await using it = await start();
    const { client, backend, originals } = it;
    // Newer copies, whose originals go in a later turn.
    for (const id of IDS) await putHash(client, NEW + id, { updated_at: "4102444800000" });
    const { kept, deleted } = await backend.cleanup(HASH_TAGS, { signal: NEVER, batchSize: 1 });
    assertEquals([kept, await originals(), deleted], [0, [], 42]);
  });

  Deno.test(`settle() deletes a tenant by whom originals are known after all of these, on ${where}`, async () => {
    await using it = await start();
    const { client, backend, originals } = it;
    const settle = async (names: readonly string[]) => {
      const found = await backend.differences(HASH_TAGS, names, { signal: NEVER });
      const { resolved, issues } = await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER });
      return { resolved, issues };
    };
    await client.del("tenant:{{x}}:tenant");
    await client.del(NEW);
    const left =
      `${BRACED}: left alone, others are known by it that are still there; settle or clean up these first`;
    assertEquals(await settle([BRACED]), { resolved: 0, issues: [left] });
    assertEquals((await originals()).length, IDS.length + 1);
    assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).kept, 2);
    assertEquals(await settle([BRACED, OLD]), { resolved: 2, issues: [] });
    assertEquals(await originals(), []);
  });
}
