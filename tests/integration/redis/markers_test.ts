/** A run in a cluster that ends between any two of its commands: what it left half done, the next one follows up. */

import { assert, assertEquals, assertGreater, assertMatch, assertRejects, equal } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { DIGEST_OF, script, UNPACK } from "../../../engine/redis/scripts/script.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
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
  tenantFields,
} from "../../support/redis_records.ts";

/** One with a value that is long enough for a server to keep the fields in an order of its own, and to be digested by itself. */
const ORIGINALS = {
  "tenant:t": tenantFields("t"),
  "tenant:t:destination:d": destinationFieldsOf("d"),
  "tenant:t:destination:e": { ...destinationFieldsOf("e"), config: "https://example.com/".repeat(100) },
};
const COPIES: Readonly<Record<string, string>> = {
  "tenant:t": "tenant:{t}:tenant",
  "tenant:t:destination:d": "tenant:{t}:destination:d",
  "tenant:t:destination:e": "tenant:{t}:destination:e",
};

async function startOne() {
  const server = await startRedis();
  return { ...server, nodes: [server] };
}

/** A fault of the program, as the engine sees it: that is no server which may come back. */
class Killed extends TypeError {}

/**
 * Runs migrations, which are killed when they have sent so many commands.
 *
 * @param beforeLast Done just before the last of them is sent.
 * @returns False when it came to its end before that.
 */
async function applyKilled(
  client: Redis | Cluster,
  commands: number,
  beforeLast = () => Promise.resolve(),
  ids: readonly string[] = [HASH_TAGS],
): Promise<boolean> {
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let left = commands;
  let last: Promise<unknown> = Promise.resolve();
  client.callBuffer = (async (...args: unknown[]) => {
    if (left-- <= 0) throw new Killed();
    if (left > 0) return await send(...args);
    last = beforeLast().then(() => send(...args));
    return await last;
  }) as typeof client.callBuffer;
  try {
    await outpostBackend(client).apply(ids, { signal: NEVER, rerun: true });
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  } finally {
    await last.catch(() => {}); // What was sent is done, though nobody hears of it.
    client.callBuffer = send as typeof client.callBuffer;
  }
}

/** The names of copies that are marked as not proven yet. */
async function marked(client: Redis | Cluster): Promise<string[]> {
  const markers = (await allKeys(client)).filter((key) => key.includes(":copying:"));
  const names = await Promise.all(markers.map((key) => client.callBuffer("HKEYS", [bytes(key)])));
  return (names as Uint8Array[][]).flat().map(String);
}

for (
  const [what, live] of [
    ["nothing happens", () => Promise.resolve(0)],
    ["the originals are changed", (client: Cluster, key: string) => client.hset(key, "note", "changed")],
    ["the originals are deleted", (client: Cluster, key: string) => client.del(key)],
  ] as const
) {
  Deno.test(`apply() in a cluster follows up what a killed run left, when ${what} in the pause`, async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    for (let commands = 1;; commands++) {
      await Promise.all(cluster.nodes.map((node) => node.client().flushall()));
      for (const [key, fields] of Object.entries(ORIGINALS)) await putHash(client, key, fields);
      const killed = await applyKilled(client, commands);
      const unproven = new Set(await marked(client));
      const wanted = new Map<string, Record<string, string> | null>();
      for (const key of Object.keys(ORIGINALS)) {
        await live(client, key);
        const copy = await getHash(client, COPIES[key]!);
        const original = await getHash(client, key);
        // What was proven before its original was deleted has become the application's own.
        const proven = copy !== null && !unproven.has(COPIES[key]!);
        wanted.set(key, original ?? (proven ? copy : null));
      }
      const { outcome, issues } = await applyOne(outpostBackend(client), HASH_TAGS, {
        signal: NEVER,
        rerun: !killed,
      });
      const when = `killed before command ${commands + 1}: ${issues.join()}`;
      for (const [key, fields] of wanted) {
        const found = await getHash(client, COPIES[key]!);
        const named = issues.some((issue) => issue.startsWith(`${key}: `));
        // What was proven and then changed is told, never taken for done.
        if (!equal(found, fields)) {
          assertEquals([named && !unproven.has(COPIES[key]!), outcome], [true, "failed"], when);
        }
      }
      assertEquals(await marked(client), [], when);
      if (!killed) break;
    }
  });

  Deno.test(`apply() in a cluster converts what a killed run left, when ${what} in the pause`, async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    const backend = outpostBackend(client);
    const ids = backend.migrations.map(({ id }) => id);
    for (let commands = 1;; commands++) {
      await Promise.all(cluster.nodes.map((node) => node.client().flushall()));
      for (const [key, fields] of Object.entries(ORIGINALS)) await putHash(client, key, fields);
      const killed = await applyKilled(client, commands, undefined, ids);
      const when = `killed before command ${commands + 1}`;
      const unproven = new Set(await marked(client));
      const wanted = new Map<string, boolean>();
      for (const [key, copy] of Object.entries(COPIES)) {
        await live(client, key);
        const isThere = await client.exists(key) === 1;
        wanted.set(copy, isThere || (await client.exists(copy) === 1 && !unproven.has(copy)));
      }
      const results = await backend.apply(ids, { signal: NEVER, rerun: true });
      for (const [copy, isWanted] of wanted) {
        const found = await getHash(client, copy);
        assertEquals(found !== null, isWanted, `${copy}, ${when}`);
        if (found !== null) assertMatch(found["created_at"]!, /^\d+$/, when);
      }
      assertEquals(await marked(client), [], when);
      const verified = await backend.verify(ids, { signal: NEVER, full: true, sample: 0 });
      assertEquals(
        verified.map(({ valid }) => valid),
        results.map(({ outcome }) => outcome === "applied"),
        when,
      );
      if (!killed) break;
    }
  });
}

for (
  const [what, live, isKept] of [
    [
      "changed",
      (client: Cluster, key: string) => client.hset(key, "note", "the application's"),
      async (client: Cluster, key: string) => (await getHash(client, key))?.note === "the application's",
    ],
    [
      "given a TTL",
      (client: Cluster, key: string) => client.expire(key, 1000),
      async (client: Cluster, key: string) => await client.ttl(key) > 0,
    ],
  ] as const
) {
  Deno.test(`apply() in a cluster follows up no copy of a killed run that the application has ${what} since`, async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    let changed = 0;
    for (let [commands, killed] = [1, true]; killed; commands++) {
      await Promise.all(cluster.nodes.map((node) => node.client().flushall()));
      for (const [key, fields] of Object.entries(ORIGINALS)) await putHash(client, key, fields);
      const backend = outpostBackend(client);
      const ids = backend.migrations.map(({ id }) => id);
      killed = await applyKilled(client, commands, undefined, ids);
      const unproven = await marked(client);
      for (const key of unproven) await live(client, key);
      for (const key of Object.keys(ORIGINALS)) await client.hset(key, "note", "changed");
      await backend.apply(ids, { signal: NEVER });
      for (const key of unproven) assert(await isKept(client, key), key);
      assertEquals(await marked(client), []);
      changed += unproven.length;
    }
    assertGreater(changed, 0);
  });
}

for (const [where, start] of [["on one server", startOne], ["in a cluster", startRedisCluster]] as const) {
  Deno.test(`apply() ${where} brings back no list whose tenant is deleted just before the last command of a killed run`, async () => {
    await using servers = await start();
    const [client, runner] = [servers.client(), servers.client()];
    const list = "tenant:{t}:destinations";
    const deleteTenant = async () => {
      for (const key of Object.values(COPIES)) {
        await client.del(key);
        await putHash(client, key, { deleted_at: String(Date.now()) });
      }
      await client.del(list);
    };
    for (let [commands, killed] = [1, true]; killed; commands++) {
      await Promise.all(servers.nodes.map((node) => node.client().flushall()));
      for (const [key, fields] of Object.entries(ORIGINALS)) {
        await putHash(client, key, fields);
        await putHash(client, COPIES[key]!, fields); // By a run before that: only the list is left to be copied.
      }
      await putHash(client, "tenant:t:destinations", { d: "{}", e: "{}" });
      killed = await applyKilled(runner, commands, deleteTenant);
      const deleted = "deleted_at" in (await getHash(client, COPIES["tenant:t"]!) ?? {});
      await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER, rerun: !killed });
      const left = await getHash(client, list);
      assertEquals(left === null, deleted, `killed after command ${commands}: ${JSON.stringify(left)}`);
      assertEquals(await marked(client), []);
    }
  });
}

Deno.test("apply() in a cluster follows up what it left itself when a connection was cut, and no process replaced", async () => {
  await using cluster = await startRedisCluster();
  const [client, runner] = [cluster.client(), cluster.client()];
  const [original, copy] = ["tenant:t", "tenant:{t}:tenant"];
  const backend = outpostBackend(runner);
  const ids = backend.migrations.map(({ id }) => id);
  const send = runner.callBuffer.bind(runner) as (...args: unknown[]) => Promise<unknown>;
  let [followed, isCut] = [0, true];
  for (let commands = 1; isCut; commands++) {
    await Promise.all(cluster.nodes.map((node) => node.client().flushall()));
    await putHash(client, original, tenantFields("t"));
    let [left, unproven] = [commands, [] as string[]];
    runner.callBuffer = (async (...args: unknown[]) => {
      const reply = await send(...args);
      if (--left !== 0) return reply;
      unproven = await marked(client);
      if (unproven.length > 0) await client.del(original);
      throw new Error("Connection is closed.");
    }) as typeof runner.callBuffer;
    const results = await backend.apply(ids, { signal: NEVER }).catch(() => null);
    isCut = left <= 0;
    if (results === null) continue; // Cut off while it was looked where the slots are, or what is recorded: the next run goes on.
    assertEquals(await client.exists(copy), unproven.length > 0 ? 0 : 1, `after command ${commands}`);
    assertEquals(await marked(client), [], `after command ${commands}`);
    followed += unproven.length;
  }
  assertGreater(followed, 0);
});

/** What a killed run has marked, as nodes have it that start from what was saved then, and what else is to be called applied. */
async function markersOfKilledRun(client: Cluster): Promise<Map<string, Record<string, string>>> {
  for (let commands = 1; await applyKilled(client, commands); commands++) {
    const keys = (await allKeys(client)).filter((key) => key.includes(":copying:"));
    if (keys.length === 0) continue;
    return new Map(await Promise.all(keys.map(async (key) => [key, (await getHash(client, key))!] as const)));
  }
  throw new Error("No run has left any");
}

for (const [whose, before] of [["cleanup", true], ["a rerun", false]] as const) {
  Deno.test(`what is applied and marked all the same, since nodes were started from an older save, ${whose} takes for proven`, async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    const backend = outpostBackend(client);
    for (const [key, fields] of Object.entries(ORIGINALS)) await putHash(client, key, fields);
    const markers = await markersOfKilledRun(client);
    assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "applied");
    for (const [key, fields] of markers) await putHash(client, key, fields);
    if (before) assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).deleted, 3);
    const status = () => client.hget("outpost:migration:001_hash_tags", "status");
    for (let commands = 1; await status() !== "running"; commands++) await applyKilled(client, commands);
    if (!before) { for (const key of Object.keys(ORIGINALS)) await client.del(key); }
    await backend.apply([HASH_TAGS], { signal: NEVER, rerun: true });
    for (const [key, copy] of Object.entries(COPIES)) {
      assertEquals(await getHash(client, copy), ORIGINALS[key as keyof typeof ORIGINALS], copy);
    }
    assertEquals(await marked(client), []);
  });
}

Deno.test("apply() in a cluster leaves copies converted that it follows up after later migrations were applied", async () => {
  await using cluster = await startRedisCluster();
  const [client, runner] = [cluster.client(), cluster.client()];
  const backend = outpostBackend(client);
  const ids = backend.migrations.map(({ id }) => id);
  await backend.apply(ids, { signal: NEVER });
  const late = new Date(Date.now() + 3000).toISOString();
  for (const [key, fields] of Object.entries(ORIGINALS)) {
    await putHash(client, key, { ...fields, created_at: late, updated_at: late });
  }
  const send = runner.callBuffer.bind(runner) as (...args: unknown[]) => Promise<unknown>;
  let isKilled = false;
  runner.callBuffer = (async (...args: unknown[]) => {
    if (isKilled) throw new Killed();
    const reply = await send(...args);
    isKilled ||= (await marked(client)).length > 0;
    return reply;
  }) as typeof runner.callBuffer;
  await assertRejects(
    () => outpostBackend(runner).apply([HASH_TAGS], { signal: NEVER, rerun: true }),
    Killed,
  );
  await client.hset("tenant:t", "note", "changed");
  const result = await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true });
  assertEquals([result.outcome, result.issues], ["applied", []]);
  for (const [key, copy] of Object.entries(COPIES)) {
    const found = await getHash(client, copy);
    assertEquals([found?.created_at, found?.note], [
      String(Date.parse(late)),
      key === "tenant:t" ? "changed" : undefined,
    ]);
  }
  const verified = await backend.verify(ids, { signal: NEVER, full: true, sample: 0 });
  assertEquals(verified.flatMap(({ issues }) => issues), []);
  assertEquals(await marked(client), []);
});

const DIGEST = script(`${UNPACK}${DIGEST_OF}return digest_of(KEYS[1])`);

for (
  const [what, live] of [
    ["changed", (client: Cluster, key: string) => client.hset(key, "note", "changed")],
    ["deleted", (client: Cluster, key: string) => client.del(key)],
  ] as const
) {
  Deno.test(`apply() in a cluster follows up what a killed run of an older version has marked whose original is ${what}`, async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    // Such keys are no reason to take one form of a marker for the other.
    const copies = { "tenant:a\nb": "tenant:{a\nb}:tenant", "tenant:t": "tenant:{t}:tenant" };
    for (const key of Object.keys(copies)) {
      await putHash(client, key, tenantFields(key.slice("tenant:".length)));
    }
    const markers = await markersOfKilledRun(client);
    let followed = 0;
    for (const [key, fields] of markers) {
      for (const [target, marker] of Object.entries(fields)) {
        const [, source] = JSON.parse(marker.slice(0, marker.indexOf("\n"))) as [string, string];
        const digest = String(await new RedisStore(client).evaluate(DIGEST, [target], []));
        await client.hset(key, target, `${digest} 0 ${source}`);
        await live(client, source);
        followed++;
      }
    }
    assertGreater(followed, 0);
    assertEquals((await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER })).outcome, "applied");
    for (const [original, copy] of Object.entries(copies)) {
      assertEquals(await getHash(client, copy), await getHash(client, original), copy);
    }
    assertEquals(await marked(client), []);
  });
}
