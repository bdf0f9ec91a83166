import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { getHash, putHash } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { WHOLE_STORES } from "./whole_stores.ts";
import { type Deployment, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";
const WEEK_MS = 7 * 86_400_000;
const APPLY = "migrate apply --redis-only --yes";

/**
 * Lets something happen before each command of `apply` that names a key, each time in a run of its own.
 *
 * @param seed Makes the Redis anew.
 * @param act What happens, once in each run.
 * @param judge Looks at what came of it.
 */
async function beforeEachCommand(
  stores: Stores,
  { outpost, client }: Deployment,
  key: string,
  { seed, act, judge }: Record<"seed" | "act" | "judge", () => Promise<void>>,
): Promise<void> {
  let [at, acted] = [0, true];
  for (; acted; at++) {
    await client.flushall();
    await seed();
    let seen = 0;
    acted = false;
    const env = stores.through(async ({ text }) => {
      if (!text.includes(key) || seen++ !== at) return null;
      acted = true;
      await act();
      return null;
    });
    const { code, stderr } = await outpost(APPLY, { env });
    assertEquals(code, 0, stderr);
    if (acted) await judge();
  }
  assertGreater(at, 3);
}

chapter("Lost and corrupted data", Stores.start, [
  {
    id: "B14",
    severity: "S1",
    failure: "running again merges old fields over newer data and brings removed fields back",
    from: `${RUNNER}, 001_hash_tags (measured)`,
    shown: "The application changes the copy, and removes a field of it: --rerun leaves it as it is.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 2);
      await client.hset("tenant:one", "metadata", '{"plan":"old"}');
      assertEquals((await outpost(APPLY)).code, 0);
      const now = String(Date.now() + 1000);
      await client.hset("tenant:{one}:tenant", { metadata: '{"plan":"new"}', updated_at: now });
      await client.del("tenant:{one}:destination:d1");
      await client.hdel("tenant:{one}:destinations", "d1");
      await outpost(`migrate apply redis/1 redis/2 redis/3 --rerun --redis-only --yes`);
      assertEquals(await client.hget("tenant:{one}:tenant", "metadata"), '{"plan":"new"}');
      assertEquals(await client.exists("tenant:{one}:destination:d1"), 0);
      assertEquals(await client.hkeys("tenant:{one}:destinations"), ["d2"]);
    },
  },
  {
    id: "B15",
    severity: "S1",
    failure: "a copy has no TTL, so that deleted records live for ever",
    from: `${RUNNER}, 001_hash_tags (measured)`,
    shown: "The copies of deleted records expire when the originals do, to the millisecond.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      await client.hset("tenant:gone", "deleted_at", CREATED);
      for (const key of ["tenant:gone", "tenant:one:destination:d1"]) await client.pexpire(key, WEEK_MS);
      assertEquals((await outpost(APPLY)).code, 0);
      for (
        const [original, copy] of [
          ["tenant:gone", "tenant:{gone}:tenant"],
          ["tenant:one:destination:d1", "tenant:{one}:destination:d1"],
        ] as const
      ) {
        const expires = await client.pexpiretime(copy);
        assertGreater(expires, 0);
        assertEquals(expires, await client.pexpiretime(original));
      }
    },
  },
  {
    id: "B16",
    severity: "S1",
    failure: "a key that expires while it is converted comes back as a ghost without TTL",
    from: `${RUNNER}, 002_timestamps and 003_entity (measured); RedisShake #244, #981, #930`,
    shown: "The record goes before each of the commands that name it in turn: it never comes back.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { client } = deployment;
      const key = "tenant:{t}:tenant";
      await beforeEachCommand(stores, deployment, key, {
        seed: async () => void await client.hset(key, { id: "t", created_at: CREATED }),
        act: async () => void await client.del(key),
        judge: async () => assertEquals(await client.exists(key), 0),
      });
    },
  },
  {
    id: "B17",
    severity: "S1",
    failure: "a value is read, and written back over what changed meanwhile",
    from: `${RUNNER}, 002_timestamps`,
    shown:
      "The application writes before each of the commands that name the record in turn: its write survives.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { client } = deployment;
      const key = "tenant:{t}:tenant";
      await beforeEachCommand(stores, deployment, key, {
        seed: async () => void await client.hset(key, { id: "t", created_at: CREATED, updated_at: CREATED }),
        act: async () => void await client.hset(key, { updated_at: "2025-06-01T00:00:00Z", metadata: "{}" }),
        async judge() {
          const { updated_at: updated, created_at: created, metadata } = await client.hgetall(key);
          // What was written after the record had passed is left as it was written.
          assert(["1748736000000", "2025-06-01T00:00:00Z"].includes(updated!), updated);
          assertEquals([created, metadata], [CREATED_MS, "{}"]);
        },
      });
    },
  },
  {
    id: "B18",
    severity: "S1",
    failure: "tenants with a colon in their ID are not migrated, and cleanup deletes them all the same",
    from: `${RUNNER}, 001_hash_tags`,
    shown:
      "IDs with colons, braces, globs, names of parts and bytes that are not UTF-8: all there after cleanup.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const ids = ["a:b", "a{b", "a}b", "{c}", "*", "destinations", "x y", "\xff\xfe", "\xc3\xa9"];
      for (const id of ids) {
        await putHash(client, `tenant:${id}`, { id, created_at: CREATED });
        await putHash(client, `tenant:${id}:destination:d`, {
          id: "d",
          type: "webhook",
          created_at: CREATED,
        });
      }
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals((await outpost("migrate cleanup --redis-only --yes")).code, 0);
      for (const id of ids) {
        const tenant = await getHash(client, `tenant:{${id}}:tenant`);
        const destination = await getHash(client, `tenant:{${id}}:destination:d`);
        assertEquals([tenant?.id, destination?.id], [id, "d"], id);
      }
    },
  },
  {
    id: "B19",
    severity: "S1",
    failure: "destinations that no summary names are dropped",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "A destination in no summary, and one whose tenant is gone, are there after cleanup.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      const record = { id: "d9", type: "webhook", created_at: CREATED };
      await client.hset("tenant:one:destination:d9", record);
      await client.hset("tenant:nobody:destination:d9", record);
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals((await outpost("migrate cleanup --redis-only --yes")).code, 0);
      for (const tenant of ["one", "nobody"]) {
        assertEquals(
          await client.hget(`tenant:{${tenant}}:destination:d9`, "created_at"),
          CREATED_MS,
          tenant,
        );
      }
    },
  },
  {
    id: "B20",
    severity: "S1",
    failure: "a tenant whose ID contains :destination: is labelled a destination, and no search finds it",
    from: `${RUNNER}, 003_entity (measured)`,
    shown: "What a record is, its key and its own fields decide.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const id = "a:destination:b";
      await client.hset(`tenant:{${id}}:tenant`, { id, created_at: CREATED });
      await client.hset("tenant:{a}:destination:b", { id: "b", type: "webhook", created_at: CREATED });
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(await client.hget(`tenant:{${id}}:tenant`, "entity"), "tenant");
      assertEquals(await client.hget("tenant:{a}:destination:b", "entity"), "destination");
    },
  },
  {
    id: "B37",
    severity: "S2",
    failure: "one bad record makes a whole batch count as failed",
    from: `${RUNNER}, 002_timestamps and 003_entity`,
    shown: "One of 100 records cannot be converted: 99 are, and one is counted.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let i = 0; i < 100; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: i === 50 ? "never" : CREATED });
      }
      const { code, stdout } = await outpost(`${APPLY} --json`);
      assertEquals(code, 1);
      const failed = stdout.split("\n").filter((line) => line.includes('"event":"failed"'));
      assertEquals(failed.length, 2, "002 could not convert it, so that 003 has not done it either");
      const { processed, failed: count } = JSON.parse(failed[0]!);
      assertEquals([processed, count], [99, 1]);
      assertStringIncludes(failed[0]!, "t50");
    },
  },
  ...WHOLE_STORES,
]);
