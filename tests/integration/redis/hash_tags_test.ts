import { assert, assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  allKeys,
  applyOne,
  bytes,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  utf8,
} from "../../support/redis_records.ts";

/** IDs that users can choose. */
const ODD_IDS = [
  "plain",
  "with space",
  "a:b",
  "a:b:c:",
  ":lead",
  "trail:",
  "a:destination:b",
  "x:destinations",
  "y:tenant",
  "q:destination:",
  "*?[a]\\",
  "{braced}",
  "{half",
  "half}",
  "{a}:{b}",
  "{a}:tenant",
  "{a}:destination:z",
  "mid{dle}end",
  "}{",
  utf8("日本 ünï"),
  "\xff\xfe\x80",
  "line\r\nbreak",
];
const ODD_DESTINATIONS = ["d", "d:e", "{d}", ":destination:", "\xff:\x00", "tenant", "x}:destination:y"];

/** Writes every old form of a tenant with odd destinations. @returns Source and target of each key. */
async function putLegacy(client: Redis, id: string): Promise<[string, string][]> {
  const pairs: [string, string][] = [[`tenant:${id}`, `tenant:{${id}}:tenant`]];
  await putHash(client, `tenant:${id}`, tenantFields(id));
  const summary: Record<string, string> = {};
  for (const destination of ODD_DESTINATIONS) {
    const suffix = `destination:${destination}`;
    await putHash(client, `tenant:${id}:${suffix}`, destinationFieldsOf(destination));
    pairs.push([`tenant:${id}:${suffix}`, `tenant:{${id}}:${suffix}`]);
    summary[destination] = "{}";
  }
  await putHash(client, `tenant:${id}:destinations`, summary);
  pairs.push([`tenant:${id}:destinations`, `tenant:{${id}}:destinations`]);
  await putHash(client, `tenant:${id}:destination:gone`, { deleted_at: "2024-01-15T10:30:00Z" });
  await client.callBuffer("PEXPIREAT", [bytes(`tenant:${id}:destination:gone`), "32503680000123"]);
  pairs.push([`tenant:${id}:destination:gone`, `tenant:{${id}}:destination:gone`]);
  for (
    const [name, ...command] of [
      ["list", "RPUSH", "one", "\xff"],
      ["set", "SADD", "one", "two"],
      ["zset", "ZADD", "1.5", "one"],
      ["string", "SET", "\x00\xff"],
    ] as const
  ) {
    const [verb, ...args] = command;
    await client.callBuffer(verb!, [bytes(`tenant:${id}:${name}`), ...args.map(bytes)]);
    pairs.push([`tenant:${id}:${name}`, `tenant:{${id}}:${name}`]);
  }
  return pairs;
}

Deno.test("001 copies every old form of every odd ID, and changes nothing else", async () => {
  await using server = await startRedis();
  const client = server.client();
  const backend = outpostBackend(client);
  for (const id of ODD_IDS) {
    await client.flushall();
    const pairs = await putLegacy(client, id);
    const before = await snapshot(client);
    const result = await applyOne(backend, HASH_TAGS, { signal: NEVER });
    const after = await snapshot(client);
    assertEquals(after.delete("outpost:migration:001_hash_tags"), true);
    for (const [source, target] of pairs) {
      assertEquals(
        after.get(target),
        before.get(source),
        `${JSON.stringify(source)} of ${JSON.stringify(id)}`,
      );
      assertEquals(after.get(source), before.get(source));
    }
    assertEquals(after.size, 2 * pairs.length, JSON.stringify([...after.keys()]));
    assertEquals([result.outcome, result.processed, result.conflicts], ["applied", pairs.length, 0]);
    const again = await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true });
    assertEquals([again.processed, again.skipped, again.conflicts], [0, pairs.length, 0], JSON.stringify(id));
    assertEquals((await client.dbsize()) - 1, after.size);
  }
});

Deno.test("001 copies the records of all odd IDs at once", async () => {
  await using server = await startRedis();
  const client = server.client();
  // The last two are left out: with "{a}:..." the keys of one tenant are those of another.
  const ids = ODD_IDS.filter((id) => !id.startsWith("{a}") && id !== "a:destination:b");
  const pairs: [string, string][] = [];
  for (const id of ids) pairs.push(...await putLegacy(client, id));
  const before = await snapshot(client);
  const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  const after = await snapshot(client);
  for (const [source, target] of pairs) {
    assertEquals(after.get(target), before.get(source), JSON.stringify(source));
  }
  assertEquals([result.processed, result.conflicts], [pairs.length, 0]);
});

Deno.test("001 copies what is left of deleted tenants, orphans and the oldest summaries", async () => {
  await using server = await startRedis();
  const client = server.client();
  const gone = { deleted_at: "2024-01-15T10:30:00Z" };
  const cases: [string, Record<string, string>, string][] = [
    ["tenant:dead", gone, "tenant:{dead}:tenant"],
    ["tenant:de:ad", gone, "tenant:{de:ad}:tenant"],
    ["tenant:{dead}", gone, "tenant:{{dead}}:tenant"],
    ["tenant:nobody:destination:d1", destinationFieldsOf("d1"), "tenant:{nobody}:destination:d1"],
    ["tenant:no:body:destination:d1", destinationFieldsOf("d1"), "tenant:{no:body}:destination:d1"],
    ["tenant:nobody:destination:dead", gone, "tenant:{nobody}:destination:dead"],
    ["tenant:nobody:destinations", { d1: "{}" }, "tenant:{nobody}:destinations"],
    ["tenant:live:one", tenantFields("live:one"), "tenant:{live:one}:tenant"],
    ["tenant:live:one:destination:x:y", gone, "tenant:{live:one}:destination:x:y"],
    ["destination_summary:live:one:d9", { id: "d9" }, "tenant:{live:one}:destination_summary:d9"],
    ["destination_summary:lost:d9", { id: "d9" }, "tenant:{lost}:destination_summary:d9"],
  ];
  for (const [key, fields] of cases) await putHash(client, key, fields);
  await client.pexpireat("tenant:dead", 32503680000123);
  const before = await snapshot(client);
  await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  const after = await snapshot(client);
  for (const [source, , target] of cases) assertEquals(after.get(target), before.get(source), source);
  assertEquals(after.size, 2 * cases.length + 1);
});

Deno.test("001 leaves alone what is current, what is not Outpost's, and other Outpost keys", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:{now}:tenant", { id: "now", created_at: "1705289400123" });
  await putHash(client, "tenant:{now}:destination:d", {
    ...destinationFieldsOf("d"),
    created_at: "1705289400123",
  });
  await putHash(client, "tenant:{now}:destinations", { d: "{}" });
  await putHash(client, "tenant:{gone}:tenant", { deleted_at: "1705289400123" });
  await putHash(client, "tenant:{lost}:destination:d", destinationFieldsOf("d"));
  await putHash(client, "tenant:{lost}:destinations", { d: "{}" });
  await putHash(client, "dp_001:tenant:{now}:tenant", { id: "now" });
  await putHash(client, "rsmq:tenant:x", { id: "x" });
  await client.set("outpost:installation_id", "1");
  await client.set("tenant:counter", "7");
  await putHash(client, "tenant:statistics", { count: "5" });
  await client.set("tenants", "7");
  const before = await snapshot(client);
  const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  const after = await snapshot(client);
  after.delete("outpost:migration:001_hash_tags");
  assertEquals(after, before);
  assertEquals([result.outcome, result.processed], ["applied", 0]);
});

Deno.test("001 tells tenant {x} from tenant x by what is there", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:{x}", tenantFields("{x}"));
  await putHash(client, "tenant:{x}:destination:d2", destinationFieldsOf("d2"));
  await putHash(client, "tenant:x", tenantFields("x"));
  await putHash(client, "tenant:x:destination:d1", destinationFieldsOf("d1"));
  const backend = outpostBackend(client);
  for (const id of [HASH_TAGS, "redis/002_timestamps"]) await applyOne(backend, id!, { signal: NEVER });
  assertEquals(await allKeys(client).then((keys) => keys.filter((key) => key.startsWith("tenant"))), [
    "tenant:x",
    "tenant:x:destination:d1",
    "tenant:{x}",
    "tenant:{x}:destination:d1",
    "tenant:{x}:destination:d2",
    "tenant:{x}:tenant",
    "tenant:{{x}}:destination:d2",
    "tenant:{{x}}:tenant",
  ]);
  // The original keeps its old times; copies have new ones.
  assertEquals((await getHash(client, "tenant:{x}:destination:d2"))?.created_at, "2024-01-15T10:30:00Z");
  assertEquals((await getHash(client, "tenant:{x}:destination:d1"))?.created_at, "1705314600000");
  assertEquals((await getHash(client, "tenant:{{x}}:destination:d2"))?.created_at, "1705314600000");
  const { kept, issues } = await backend.cleanup(HASH_TAGS!, { signal: NEVER });
  assertEquals(kept, 1);
  assert(issues[0]?.startsWith("tenant:{x}:destination:d2: "));
});

Deno.test("001 keeps a newer current record and counts it as a conflict", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, "tenant:t:destination:same", destinationFieldsOf("same"));
  await putHash(client, "tenant:{t}:destination:same", destinationFieldsOf("same"));
  const newer = { id: "t", created_at: "1705289400123", updated_at: "1805289400123", entity: "tenant" };
  await putHash(client, "tenant:{t}:tenant", newer);
  const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.processed, result.skipped, result.conflicts], ["applied", 0, 1, 1]);
  assertEquals(await getHash(client, "tenant:{t}:tenant"), newer);
});

Deno.test("001 is not applicable with a deployment ID", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const backend = outpostBackend(client, "dp_001");
  const [entry] = (await backend.read()).entries;
  assertEquals([entry?.status, entry?.reason], ["not_applicable", "Not needed - using DEPLOYMENT_ID"]);
  await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals(await getHash(client, "tenant:{t}:tenant"), null);
  const recorded = await getHash(client, "dp_001:outpost:migration:001_hash_tags");
  assertEquals(Object.keys(recorded ?? {}), ["status", "checked_at", "reason"]);
  assertEquals(recorded?.status, "not_applicable");
});

Deno.test("001 works in a cluster, where source and target are on different nodes", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const pairs: [string, string][] = [];
  for (const id of ["plain", "a:b", "{braced}", "\xff\xfe", "with space"]) {
    pairs.push(...await putLegacy(client as unknown as Redis, id));
  }
  const before = await snapshot(client);
  const backend = outpostBackend(client);
  const result = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  const after = await snapshot(client);
  for (const [source, target] of pairs) {
    assertEquals(after.get(target), before.get(source), JSON.stringify(source));
  }
  assertEquals([result.outcome, result.processed, result.conflicts], ["applied", pairs.length, 0]);
  const [verified] = await backend.verify([HASH_TAGS], { signal: NEVER, full: true, sample: 0 });
  assertEquals([verified?.valid, verified?.checksRun], [true, pairs.length]);
  const cleaned = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([cleaned.deleted, cleaned.kept], [pairs.length, 0]);
  const left = await snapshot(client);
  for (const [source, target] of pairs) {
    assertEquals(left.has(source), false);
    assertEquals(left.get(target), before.get(source));
  }
});
