import { assert, assertEquals } from "@std/assert";
import { RedisStore } from "../../../engine/redis/store.ts";
import { drawGroups, FEW_KEYS } from "../../../engine/redis/walk/draw.ts";
import { onlyMatching } from "../../../engine/redis/walk/grouping.ts";
import { matcherOf } from "../../../engine/redis/walk/pattern.ts";
import { hashTags } from "../../../migrations/redis/001_hash_tags.ts";
import { timestamps } from "../../../migrations/redis/002_timestamps.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { applyAll, bytes, NEVER, outpostBackend } from "../../support/redis_records.ts";

const IDS = ["redis/001_hash_tags", "redis/002_timestamps", "redis/003_entity"];
const SAMPLE = { signal: NEVER, full: false, sample: 20 };
/** Far more keys than are looked through for a sample. */
const TENANTS = FEW_KEYS / 2;

Deno.test("verify() of a sample looks at a sample of the keys, and at all records of the tenants drawn", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: TENANTS, destinationsPerTenant: 2 });
  const backend = outpostBackend(client);
  await applyAll(backend);
  await client.config("RESETSTAT");
  const found = await backend.verify(IDS, SAMPLE);
  assertEquals(found.map(({ valid, note }) => [valid, note]), Array(3).fill([true, undefined]));
  const [originals, converted] = found.map(({ checksRun }) => checksRun);
  assert(originals! >= 40 && originals! <= 20 * 4, `${originals}`); // A few of them are deleted tenants.
  assert(converted! >= 40 && converted! <= 20 * 3, `${converted}`);
  const scans = Number(/cmdstat_scan:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]);
  assert(scans <= 100, `${scans} SCANs`);
  // When the originals are gone, nothing of them is searched for.
  await backend.cleanup(IDS[0]!, { signal: NEVER });
  const later = await backend.verify(IDS, SAMPLE);
  assertEquals(later.map(({ valid, note }) => [valid, note]), Array(3).fill([true, undefined]));
  assertEquals(later[0]!.checksRun, 0);
  assert(later[1]!.checksRun >= 40);
});

Deno.test("verify() of a sample finds what is wrong in as many tenants as it is", async () => {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: TENANTS, destinationsPerTenant: 1, deletedShare: 1e-9 });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const wrong = client.pipeline();
  for (let i = 0; i < TENANTS; i += 2) {
    wrong.hdel(`tenant:{tenant_${String(i).padStart(7, "0")}}:tenant`, "entity");
  }
  await wrong.exec();
  const found = (await backend.verify(["redis/003_entity"], { ...SAMPLE, sample: 200 }))[0]!;
  const share = (found.checksRun - found.checksPassed) / 200;
  assert(share > 0.25 && share < 0.75, `${share}`);
});

Deno.test("drawGroups() draws each tenant as often as any other, whatever its size and in however many forms it is there", async () => {
  await using server = await startRedis();
  const client = server.client();
  const tenants = 2000;
  const writes = client.pipeline();
  for (let i = 0; i < tenants; i++) {
    writes.hset(`tenant:{t${i}}:tenant`, "id", `t${i}`);
    if (i % 2 === 0) writes.hset(`tenant:t${i}`, "id", `t${i}`);
    for (let d = 0; d < (i % 4 < 2 ? 1 : 12); d++) {
      writes.hset(`tenant:{t${i}}:destination:d${d}`, "id", `d${d}`);
    }
  }
  for (let i = 0; i < 4000; i++) writes.set(`other:${i}`, "1");
  await writes.exec();
  const keys = await client.dbsize();
  const draws = 50;
  const size = 200;
  const counts = new Map<string, number>();
  const changes = [hashTags("").change, timestamps("").change].map(onlyMatching);
  const store = new RedisStore(client);
  for (let i = 0; i < draws; i++) {
    const drawn = await drawGroups(store, [{ client, keys }], changes, { size }, NEVER);
    assertEquals(drawn?.size, size);
    for (const group of drawn!.keys()) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  // Four kinds of tenants: small and large, in one form and in two.
  const expected = (draws * size) / tenants;
  const kinds = [0, 0, 0, 0];
  let chiSquare = 0;
  for (let i = 0; i < tenants; i++) {
    const count = counts.get(`t${i}`) ?? 0;
    kinds[i % 4]! += count;
    chiSquare += (count - expected) ** 2 / expected;
  }
  // Of 2,500 each, by chance alone 43 more or less are usual.
  for (const kind of kinds) assert(Math.abs(kind - (draws * size) / 4) < 350, kinds.join());
  // By chance alone 1,800 with 60 more or less are usual, and the distances of keys add some. Were large tenants twice as likely: 2,900.
  assert(chiSquare < 2400, `${chiSquare}`);
});

Deno.test("verify() of a sample says that it looked through all keys where too few of them are meant", async () => {
  await using server = await startRedis();
  const client = server.client();
  const others = client.pipeline();
  for (let i = 0; i < FEW_KEYS; i++) others.set(`other:${i}`, "1");
  await others.exec();
  await client.hset("tenant:a", { id: "a", created_at: "2024-01-15T10:30:00Z" });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const found = await backend.verify(IDS, SAMPLE);
  assertEquals(found.map(({ checksRun, valid }) => [checksRun, valid]), Array(3).fill([1, true]));
  assertEquals(found.map(({ note }) => note?.startsWith("Too few keys")), [true, true, true]);
});

Deno.test("verify() of a sample draws from all masters of a cluster", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const writes: Promise<unknown>[] = [];
  for (let i = 0; i < FEW_KEYS; i++) {
    writes.push(
      client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: "1705289400123", entity: "tenant" }),
    );
  }
  await Promise.all(writes);
  const backend = outpostBackend(client);
  await applyAll(backend);
  const [, found] = await backend.verify(IDS, { ...SAMPLE, sample: 60 });
  assertEquals([found!.checksRun, found!.valid, found!.note], [60, true, undefined]);
});

Deno.test("matcherOf() tells what a server tells", async () => {
  await using server = await startRedis();
  const client = server.client();
  const letters = ["a", "b", "c", "-", "^", "]", "[", "*", "?", "\\", "\xff"];
  const keys = [
    ...new Set(
      letters.flatMap((one) =>
        ["", ...letters].flatMap((two) => ["", "a", "]"].map((end) => one + two + end))
      ),
    ),
  ];
  for (const key of keys) await client.callBuffer("SET", [bytes(key), "1"]);
  const parts = [...letters, "[a-c]", "[^b]", "[c-a]", "[]a]", "[a-]", "[\\]a]", "[^", "\\*"];
  const patterns = parts.flatMap((one) =>
    ["", ...parts].flatMap((two) => [one + two, `*${one}${two}`, `${one}*${two}`])
  );
  const replies = await Promise.all(patterns.map((pattern) => client.callBuffer("KEYS", [bytes(pattern)])));
  patterns.forEach((pattern, i) => {
    const told = (replies[i] as Uint8Array[]).map((key) => String.fromCharCode(...key)).sort();
    assertEquals(keys.filter(matcherOf(pattern)).sort(), [...new Set(told)], pattern);
  });
});
