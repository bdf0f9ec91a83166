import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { InterruptedError } from "../../../engine/errors.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  allKeys,
  applyAll,
  applyOne,
  bytes,
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

const FULL = { signal: NEVER, full: true, sample: 0 };
const [OLD, NEW] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];
const SECRET = "\x00rotated\xff";

/** A tenant of the old form with a destination, and what lists it. */
async function putTenant(client: Redis | Cluster, id = "t", destinations: readonly string[] = ["d"]) {
  await putHash(client, `tenant:${id}`, tenantFields(id));
  for (const one of destinations) {
    await putHash(client, `tenant:${id}:destination:${one}`, destinationFieldsOf(one));
  }
  const summary = Object.fromEntries(destinations.map((one) => [one, "{}"]));
  await putHash(client, `tenant:${id}:destinations`, summary);
}

/** A time after any run that began before this was called. */
async function now(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time() as unknown as [string, string];
  return Number(seconds) * 1000 + Math.ceil(Number(micros) / 1000) + 1;
}

/** Leaves 001 as a run does that was interrupted before its first batch. */
async function begin(client: Redis) {
  const stopped = new AbortController();
  stopped.abort();
  await assertRejects(
    () => applyOne(outpostBackend(client), HASH_TAGS, { signal: stopped.signal }),
    InterruptedError,
  );
}

async function rotate(client: Redis) {
  await putHash(client, OLD, { credentials: SECRET, updated_at: new Date(await now(client)).toISOString() });
}

for (
  const [what, change] of [
    ["the new one disabled", async (client: Redis) => {
      const time = String(await now(client) + 1000);
      await putHash(client, NEW, { disabled_at: time, updated_at: time });
    }],
    ["the new one deleted", async (client: Redis) => {
      const time = String(await now(client) + 1000);
      await client.del(NEW);
      await putHash(client, NEW, { deleted_at: time });
      await client.pexpireat(NEW, Number(time) + 604_800_000);
      await client.hdel("tenant:{t}:destinations", "d");
    }],
  ] as const
) {
  Deno.test(`cleanup() keeps what the old application wrote to a record that ${what} later`, async () => {
    await using server = await startRedis();
    const client = server.client();
    await putTenant(client);
    const backend = outpostBackend(client);
    await applyAll(backend);
    await rotate(client);
    await change(client);
    const [verified] = await backend.verify([HASH_TAGS], FULL);
    assertEquals(verified?.valid, false);
    assert(verified?.issues.some((issue) => issue.startsWith(`${OLD}: `)), verified?.issues.join());
    const { issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
    assert(issues.some((issue) => issue.startsWith(`${OLD}: `)), issues.join());
    assertEquals((await getHash(client, OLD))?.credentials, SECRET);
  });
}

Deno.test("apply() names a tenant that was made anew beside an old one whose fields it lacks", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", { ...tenantFields("t"), metadata: '{"plan":"gold"}' });
  const anew = { id: "t", created_at: "1805289400123", updated_at: "1805289400123", entity: "tenant" };
  await putHash(client, "tenant:{t}:tenant", anew);
  await putHash(client, "tenant:u", tenantFields("u"));
  const backend = outpostBackend(client);
  const result = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.processed, result.failed], ["failed", 1, 1]);
  assert(result.issues[0]?.startsWith("tenant:t: "), result.issues[0]);
  assertEquals(await getHash(client, "tenant:{t}:tenant"), anew);
  assertEquals((await backend.read()).entries[0]?.status, "failed");
});

Deno.test("apply() after an interruption brings nothing back that was deleted in the pause", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putTenant(client, "t", ["d", "e"]);
  await putTenant(client, "u", ["d"]);
  await begin(client);
  // What the interrupted run had come to.
  for (const [id, one] of [["t", "d"], ["u", "d"]]) {
    await client.copy(`tenant:${id}:destination:${one}`, `tenant:{${id}}:destination:${one}`);
    await client.del(`tenant:{${id}}:destination:${one}`);
    await putHash(client, `tenant:{${id}}:destination:${one}`, { deleted_at: String(await now(client)) });
  }
  const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.failed], ["applied", 0]);
  assertEquals(await getHash(client, "tenant:{t}:destinations"), { e: "{}" });
  assertEquals(await getHash(client, "tenant:{u}:destinations"), null);
  assertEquals(Object.keys(await getHash(client, "tenant:{t}:destination:d") ?? {}), ["deleted_at"]);
  const [verified] = await outpostBackend(client).verify([HASH_TAGS], FULL);
  assertEquals(verified?.issues, []);
});

Deno.test("apply() names the list of a deleted tenant that had been copied and was changed since", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, "tenant:t:destinations", { a: "changed" });
  await putHash(client, "tenant:{t}:tenant", { deleted_at: String(Date.now()) });
  await putHash(client, "tenant:{t}:destinations", { a: "copied" });
  const { outcome, issues } = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  const difference = "tenant:t:destinations: its copy tenant:{t}:destinations is different";
  assertEquals([outcome, issues[0]], ["failed", difference]);
});

Deno.test("apply() after an interruption names what both applications wrote in the pause", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putTenant(client);
  await begin(client);
  await client.copy(OLD, NEW);
  await rotate(client);
  await putHash(client, NEW, { disabled_at: String(await now(client) + 1000) });
  const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
  assertEquals([result.outcome, result.failed, result.conflicts], ["failed", 1, 0]);
  assert(result.issues[0]?.startsWith(`${OLD}: `), result.issues[0]);
  assertEquals((await getHash(client, OLD))?.credentials, SECRET);
});

Deno.test("verify() and --rerun tell what the application did since from what went wrong", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["t", "u", "v"]) await putTenant(client, id, ["d", "e"]);
  const backend = outpostBackend(client);
  await applyAll(backend);
  const time = String(await now(client));
  await client.del("tenant:{t}:destination:d"); // Its tombstone has expired.
  await client.hdel("tenant:{t}:destinations", "d");
  await putHash(client, "tenant:{t}:tenant", { metadata: "{}", updated_at: time });
  // All of a tenant is gone.
  await client.del("tenant:{u}:tenant", "tenant:{u}:destinations");
  await client.del("tenant:{u}:destination:d", "tenant:{u}:destination:e");
  // The last destinations of a tenant are gone, and their list with them.
  await client.del("tenant:{v}:destination:d", "tenant:{v}:destination:e", "tenant:{v}:destinations");
  const ids = [HASH_TAGS, TIMESTAMPS, ENTITY];
  const check = async () => (await backend.verify(ids, FULL)).map(({ valid, issues }) => [valid, issues]);
  const fine = [[true, []], [true, []], [true, []]];
  assertEquals(await check(), fine);
  const before = await snapshot(client);
  const again = await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true });
  assertEquals([again.outcome, again.processed, again.failed], ["applied", 0, 0]);
  const after = await snapshot(client);
  for (const all of [before, after]) all.delete("outpost:migration:001_hash_tags");
  assertEquals(after, before);
  const cleaned = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  // What has no copy stays: nothing proves it.
  assertEquals((await allKeys(client)).filter((key) => /^tenant:[tuv]/.test(key)).sort(), [
    "tenant:t:destination:d",
    "tenant:u",
    "tenant:u:destination:d",
    "tenant:u:destination:e",
    "tenant:u:destinations",
    "tenant:v:destination:d",
    "tenant:v:destination:e",
    "tenant:v:destinations",
  ]);
  assertEquals([cleaned.deleted, cleaned.kept], [4, 8]);
  assertEquals(await check(), fine);
});

Deno.test("verify() names what an old application has written since, and --rerun copies it", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putTenant(client);
  const backend = outpostBackend(client);
  await applyAll(backend);
  const time = new Date(await now(client)).toISOString();
  await putHash(client, "tenant:late", { ...tenantFields("late"), updated_at: time });
  const [verified] = await backend.verify([HASH_TAGS], FULL);
  assertEquals([verified?.valid, verified?.issues.length], [false, 1]);
  assert(verified?.issues[0]?.startsWith("tenant:late: "), verified?.issues[0]);
  // An interrupted rerun is no first run.
  await client.del("tenant:{t}:destination:d");
  await client.hdel("tenant:{t}:destinations", "d");
  const stopped = new AbortController();
  stopped.abort();
  await assertRejects(
    () => applyOne(backend, HASH_TAGS, { signal: stopped.signal, rerun: true }),
    InterruptedError,
  );
  const again = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([again.outcome, again.processed], ["applied", 1]);
  assertEquals(await getHash(client, NEW), null);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
});

Deno.test("002 and 003 write to no hash whose fields do not say that it is a tenant or a destination", async () => {
  await using server = await startRedis();
  const client = server.client();
  const foreign: [string, Record<string, string>][] = [
    ["tenant:{a}:destination:b}:destinations", { d1: "{}", created_at: "2024-01-15T10:30:00Z" }],
    ["tenant:{x}:destination:d1:stats", { count: "5", created_at: "2024-01-15T10:30:00Z" }],
    ["tenant:{x}:destination:deleted_at}:destinations", { deleted_at: "{}" }],
    ["tenant:{x}:tenant", { count: "5" }],
    ["tenant:{y}:tenant", { id: "other", created_at: "2024-01-15T10:30:00Z" }],
  ];
  for (const [key, fields] of foreign) await putHash(client, key, fields);
  await putHash(client, "tenant:{gone}:tenant", { deleted_at: "2024-01-15T10:30:00Z" });
  const before = await snapshot(client);
  const backend = outpostBackend(client);
  for (const id of [TIMESTAMPS, ENTITY]) await applyOne(backend, id, { signal: NEVER });
  const after = await snapshot(client);
  for (const [key] of foreign) assertEquals(after.get(key), before.get(key), key);
  assertEquals((await getHash(client, "tenant:{gone}:tenant"))?.entity, "tenant");
});

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "001 in a cluster follows up what a run had copied and not yet proven when it died",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const application = cluster.client();
    const ids = Array.from({ length: 60 }, (_, i) => `t${i}`);
    for (const id of ids) await putHash(application, `tenant:${id}`, tenantFields(id));
    const client = cluster.client();
    const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const copied: string[] = [];
    const death = Promise.withResolvers<void>();
    // Each script that writes copies, one for each node, reaches its server, and nothing after it.
    client.callBuffer = (async (name: string, args: unknown[]) => {
      const target = String(args[2]); // The first key of a script: others get the name as an argument.
      const isWrite = /^tenant:{t\d+}:tenant$/.test(target) && name.startsWith("EVAL");
      if (copied.length >= 6) throw new TypeError("It died");
      const reply = await send(name, args);
      if (!isWrite) return reply;
      // Nobody hears of any before the last of them is there: none is proven.
      if (copied.push(target) >= 6) death.resolve();
      await death.promise;
      throw new TypeError("It died");
    }) as typeof client.callBuffer;
    await assertRejects(() => applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER, batchSize: 60 }));
    const there = [];
    for (const id of ids) if (await application.exists(`tenant:{${id}}:tenant`) === 1) there.push(id);
    assert(there.length > 10, `${there.length}`);
    // In the pause the old application deletes some for good, and changes others.
    for (const [i, id] of there.entries()) {
      if (i % 3 === 0) await application.del(`tenant:${id}`);
      else if (i % 3 === 1) await application.hset(`tenant:${id}`, "note", "changed");
    }
    const result = await applyOne(outpostBackend(cluster.client()), HASH_TAGS, { signal: NEVER });
    assertEquals([result.outcome, result.failed, result.conflicts], ["applied", 0, 0], result.issues.join());
    for (const [i, id] of there.entries()) {
      const copy = await getHash(application, `tenant:{${id}}:tenant`);
      if (i % 3 === 0) assertEquals(copy, null, id);
      else assertEquals(copy, { ...tenantFields(id), ...(i % 3 === 1 ? { note: "changed" } : {}) }, id);
    }
    const left = (await allKeys(application)).filter((key) => key.startsWith("outpost:"));
    assertEquals(left, ["outpost:migration:001_hash_tags"]);
  },
);

Deno.test("verify() and cleanup() tell lists and streams by all that is in them", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  await client.callBuffer("RPUSH", [bytes("tenant:t:list"), bytes("a"), bytes("b")]);
  await client.callBuffer("RPUSH", [bytes("tenant:t:odd"), bytes("\xff"), bytes("b")]);
  await client.xadd("tenant:t:stream", "1-1", "f", "v");
  await client.xgroup("CREATE", "tenant:t:stream", "workers", "0");
  const backend = outpostBackend(client);
  await applyAll(backend);
  await client.del("tenant:{t}:list");
  await client.callBuffer("RPUSH", [bytes("tenant:{t}:list"), bytes("a,b")]);
  await client.callBuffer("LSET", [bytes("tenant:{t}:odd"), bytes("0"), bytes("\xfe")]);
  await client.xreadgroup("GROUP", "workers", "one", "STREAMS", "tenant:{t}:stream", ">");
  const [verified] = await backend.verify([HASH_TAGS], FULL);
  assertEquals(verified?.issues.map((issue) => issue.split(": ")[0]).sort(), [
    "tenant:t:list",
    "tenant:t:odd",
    "tenant:t:stream",
  ]);
  const { kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals(kept, 3);
});

Deno.test("verify() finds of two forms the same whether the server compares them or this program, whatever is applied", async () => {
  await using server = await startRedis();
  const client = server.client();
  const byCommands = outpostBackend(await server.reader());
  // Of records that never end and of one that does, of lists, of one that nothing converts, and of a tenant that was deleted.
  await putTenant(client, "t", ["a", "b", "c", "d", "e", "f"]);
  await putHash(client, "tenant:gone", { deleted_at: "2024-01-15T10:30:00Z" });
  await putHash(client, "tenant:t:destination:b", { created_at: "never" });
  const backend = outpostBackend(client);
  const changes: readonly (() => Promise<unknown>)[] = [
    () => Promise.resolve(),
    () => client.hdel("tenant:{t}:destination:c", "topics"),
    () => putHash(client, "tenant:{t}:destination:d", { more: "than there was" }),
    () => client.pexpireat("tenant:{t}:destination:e", 4_102_444_800_000),
    () => putHash(client, "tenant:t:destination:f", { updated_at: "2100-01-01T00:00:00Z" }),
    () => client.del("tenant:{t}:destination:a"),
    () => client.del("tenant:t:destination:c"),
  ];
  let found: string[] = [];
  for (const id of [HASH_TAGS, TIMESTAMPS, ENTITY]) {
    await applyOne(backend, id, { signal: NEVER, skipInvalid: true });
    for (const change of id === ENTITY ? changes : changes.slice(0, 1)) {
      await change();
      const verified = await backend.verify([HASH_TAGS, TIMESTAMPS, ENTITY], FULL);
      assertEquals(verified, await byCommands.verify([HASH_TAGS, TIMESTAMPS, ENTITY], FULL));
      assertEquals(verified[0], (await backend.verify([HASH_TAGS], FULL))[0]);
      found = verified[0]!.issues.map((issue) => issue.split(":").slice(0, 4).join(":"));
    }
  }
  // A copy that is gone was deleted by the application, and is no fault.
  assertEquals(found.toSorted(), ["d", "e", "f"].map((one) => `tenant:t:destination:${one}`));
});
