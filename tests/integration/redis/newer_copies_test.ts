import { assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import type { CopyChange } from "../../../engine/redis/copy/change.ts";
import { prune } from "../../../engine/redis/copy/dead_lists.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { hashTags } from "../../../migrations/redis/001_hash_tags.ts";
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
  tenantFields,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
const SUMMARY = "tenant:{t}:destinations";

/** A tenant with three destinations, migrated; then the application changes its current records. */
async function migrated(client: Redis) {
  await putHash(client, "tenant:t", tenantFields("t"));
  const summary: Record<string, string> = {};
  for (const id of ["a", "b", "c"]) {
    await putHash(client, `tenant:t:destination:${id}`, destinationFieldsOf(id));
    summary[id] = `{"id":"${id}","topics":["*"]}`;
  }
  await putHash(client, "tenant:t:destinations", summary);
  const backend = outpostBackend(client);
  await applyAll(backend);
  return {
    backend,
    async judged() {
      const [result] = await backend.verify([HASH_TAGS], FULL);
      const { deleted, kept, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
      return { issues: result!.issues, deleted, kept, reasons: issues };
    },
  };
}

Deno.test("001 takes a summary for newer that the application changed together with its destinations", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { judged } = await migrated(client);
  const now = String(Date.now());
  await putHash(client, "tenant:{t}:destination:a", { topics: '["x"]', updated_at: now }); // Updated.
  await putHash(client, SUMMARY, { a: '{"id":"a","topics":["x"]}' });
  await putHash(client, "tenant:{t}:destination:b", { deleted_at: now }); // Deleted.
  await client.hdel(SUMMARY, "b");
  await putHash(client, "tenant:{t}:destination:new", { ...destinationFieldsOf("new"), created_at: now }); // Created.
  await putHash(client, SUMMARY, { new: '{"id":"new","topics":["*"]}' });
  assertEquals(await judged(), { issues: [], deleted: 5, kept: 0, reasons: [] });
  assertEquals(Object.keys(await getHash(client, SUMMARY) ?? {}).sort(), ["a", "c", "new"]);
});

Deno.test("001 takes a summary for newer whose destination the application changed in the pause of a cleanup", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { judged } = await migrated(client);
  await client.del("tenant:t:destination:a"); // Cleanup had got that far.
  await putHash(client, "tenant:{t}:destination:a", { topics: '["x"]', updated_at: String(Date.now()) });
  await putHash(client, SUMMARY, { a: '{"id":"a","topics":["x"]}' });
  assertEquals(await judged(), { issues: [], deleted: 4, kept: 0, reasons: [] });
});

for (
  const [what, spoil, deleted] of [
    ["an entry was changed whose destination was not", (client: Redis) => client.hset(SUMMARY, "a", "{}")],
    ["such an entry is of a destination whose original is gone", async (client: Redis) => {
      await client.del("tenant:t:destination:a");
      await client.hset(SUMMARY, "a", "{}");
    }, 3],
    ["an entry is missing whose destination lives", (client: Redis) => client.hdel(SUMMARY, "b")],
    ["an entry has no destination", (client: Redis) => client.hset(SUMMARY, "ghost", "{}")],
  ] as const
) {
  Deno.test(`001 keeps the original of a summary where ${what}`, async () => {
    await using server = await startRedis();
    const client = server.client();
    const { judged } = await migrated(client);
    await spoil(client);
    const difference = `tenant:t:destinations: its copy ${SUMMARY} is different`;
    assertEquals(await judged(), {
      issues: [difference],
      deleted: deleted ?? 4,
      kept: 1,
      reasons: [difference],
    });
  });
}

Deno.test("001 takes a destination for newer that the application disabled", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { judged } = await migrated(client);
  await putHash(client, "tenant:{t}:destination:a", { disabled_at: new Date().toISOString() });
  assertEquals((await judged()).issues, []);
});

Deno.test("001 takes off a summary what a run brought back that died, also where the original is gone since", async () => {
  await using server = await startRedis();
  const client = server.client();
  const deleted = { deleted_at: String(Date.now()) };
  // The application deletes a in its new form while a run is about to copy the summary; the run copies it and dies.
  const listed = { a: "{}", b: "{}" };
  for (const tenant of ["t", "other"]) {
    await putHash(client, `tenant:{${tenant}}:tenant`, tenantFields(tenant));
    await putHash(client, `tenant:{${tenant}}:destinations`, listed);
    await putHash(client, `tenant:{${tenant}}:destination:b`, destinationFieldsOf("b"));
  }
  await putHash(client, "tenant:{t}:destination:a", deleted);
  await putHash(client, "outpost:migration:001_hash_tags", { status: "running" });
  await applyAll(outpostBackend(client));
  assertEquals(await getHash(client, SUMMARY), { b: "{}" });
  assertEquals(await getHash(client, "tenant:{other}:destinations"), listed);
});

Deno.test("001 takes nothing off the original of a tenant in braces, which has the name of a current summary", async () => {
  await using server = await startRedis();
  const client = server.client();
  const listed = { a: "{}", b: "{}" };
  await putHash(client, "tenant:{t}", tenantFields("{t}"));
  await putHash(client, "tenant:{t}:destinations", listed);
  await putHash(client, "tenant:{t}:destination:a", { deleted_at: String(Date.now()) });
  await putHash(client, "tenant:{t}:destination:b", destinationFieldsOf("b"));
  await putHash(client, "outpost:migration:001_hash_tags", { status: "running" });
  await applyAll(outpostBackend(client));
  assertEquals(await getHash(client, SUMMARY), listed);
});

Deno.test("prune() deletes a summary with its tenant, but for one on which the application has put something", async () => {
  await using server = await startRedis();
  const client = server.client();
  const change = hashTags("").change as CopyChange;
  const list = { source: "tenant:t:destinations", target: SUMMARY, kind: "summaries" };
  await putHash(client, list.source, { a: "{}" });
  await putHash(client, "tenant:{t}:tenant", { deleted_at: String(Date.now()) });
  await putHash(client, "tenant:{t}:destination:b", { deleted_at: String(Date.now()) });
  for (
    const [listed, left] of [
      [{ a: "{}" }, null],
      [{ a: "{}", b: "{}" }, null], // The old application has deleted b since.
      [{ a: "{}", new: "{}" }, { a: "{}", new: "{}" }],
      [{ a: '{"disabled":true}' }, { a: '{"disabled":true}' }],
    ] as const
  ) {
    await client.del(SUMMARY);
    await putHash(client, SUMMARY, listed);
    await prune(change, { store: new RedisStore(client), fence: undefined }, [list]);
    assertEquals(await getHash(client, SUMMARY), left);
  }
});

Deno.test("001 calls no copy newer than a write whose time is told in whole seconds, and may lie behind its begin", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { backend } = await migrated(client);
  const T0 = Math.floor(Date.now() / 1000) * 1000 + 400;
  await client.hset("outpost:migration:001_hash_tags", { first_began_at: T0, done_since: T0 });
  const second = `${new Date(T0).toISOString().slice(0, 19)}Z`;
  // Written 900 ms into that second, by an application that tells no fractions; later the new one changes the copy.
  await putHash(client, "tenant:t:destination:a", { topics: '["old"]', updated_at: second });
  await putHash(client, "tenant:{t}:destination:a", { topics: '["new"]', updated_at: String(T0 + 60_000) });
  await putHash(client, "tenant:late", { id: "late", created_at: second });
  const [verified] = await backend.verify([HASH_TAGS], FULL);
  assertEquals([...verified!.issues].sort(), [
    "tenant:late: it has no copy tenant:{late}:tenant, and nothing tells whether the application deleted that",
    "tenant:t:destination:a: its copy tenant:{t}:destination:a is different",
  ]);
  await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals((await getHash(client, "tenant:t:destination:a"))?.topics, '["old"]');
  assertEquals((await getHash(client, "tenant:late"))?.id, "late");
});

Deno.test("001 takes a copy for newer than an original of an earlier second, however that is told", async () => {
  await using server = await startRedis();
  const client = server.client();
  const { backend } = await migrated(client);
  const T0 = Math.floor(Date.now() / 1000) * 1000;
  await client.hset("outpost:migration:001_hash_tags", { first_began_at: T0, done_since: T0 });
  const before = `${new Date(T0 - 1000).toISOString().slice(0, 19)}Z`;
  await putHash(client, "tenant:t:destination:a", { topics: '["old"]', updated_at: before });
  await putHash(client, "tenant:{t}:destination:a", { topics: '["new"]', updated_at: String(T0 + 60_000) });
  await putHash(client, "tenant:gone", { id: "gone", created_at: before });
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]!.issues, []);
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`001 takes nothing off a list that bears deleted_at and tells no time of a deletion, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    await putHash(client, "tenant:t", tenantFields("t"));
    await putHash(client, "tenant:{t}:tenant", { ...tenantFields("t"), deleted_at: "" });
    await putHash(client, "tenant:t:destination:a", destinationFieldsOf("a"));
    for (const [id, deleted_at] of Object.entries({ b: "", c: "never", d: "0x1" })) {
      for (const key of [`tenant:t:destination:${id}`, `tenant:{t}:destination:${id}`]) {
        await putHash(client, key, { ...destinationFieldsOf(id), deleted_at });
      }
    }
    const summary = { a: "{}", b: "{}", c: "{}", d: "{}" };
    await putHash(client, "tenant:t:destinations", summary);
    const backend = outpostBackend(client);
    await applyAll(backend);
    const list = { source: "tenant:t:destinations", target: SUMMARY, kind: "summaries" };
    const change = hashTags("").change as CopyChange;
    await prune(change, { store: new RedisStore(client), fence: undefined }, [list]);
    assertEquals(await getHash(client, SUMMARY), summary);
  });
}

Deno.test("apply() asks nobody whose a newer copy is where no key can be read in two ways", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["a", "b", "c"]) {
    await putHash(client, `tenant:t:destination:${id}`, destinationFieldsOf(id));
    const newer = { ...destinationFieldsOf(id), updated_at: "2100-01-01T00:00:00Z" };
    await putHash(client, `tenant:{t}:destination:${id}`, newer);
  }
  await client.config("RESETSTAT");
  assertEquals((await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER })).conflicts, 3);
  // What is known of a record that is asked about is its type first.
  assertEquals(/cmdstat_type:.*/.exec(await client.info("commandstats")), null);
});
