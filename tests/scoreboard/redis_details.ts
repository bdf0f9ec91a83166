/**
 * Proofs about what is easily overlooked in a record: its fields' ends, what a list or a stream holds, its size, its name, and in
 * which zone its times are.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/cli.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import type { Failure } from "./failure.ts";
import type { Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";
const APPLY = "migrate apply --redis-only --yes";
const VERIFY = "migrate verify --redis-only --full --json";
const CLEANUP = "migrate cleanup --redis-only --yes --force";
const [OLD, NEW] = ["tenant:t:destination:d1", "tenant:{t}:destination:d1"];
/** Milliseconds since 1970, far ahead. */
const ENDS_AT = 4_102_444_800_123;
const MEGABYTE = 1 << 20;

/** They work on the servers of `records_test.ts`. */
export const REDIS_DETAILS: readonly Failure<Stores>[] = [
  {
    id: "R15 ends of fields",
    severity: "S1",
    failure:
      "fields that end by themselves live for ever once they are converted or copied, and verify sees nothing",
    from: OWN,
    shown:
      "A converted field and one beside it end when they did; one whose end alone differs is named, and kept by cleanup.",
    async leftOut({ redis }) {
      const [known] = await redis.client().call("COMMAND", "INFO", "HPEXPIREAT") as unknown[];
      return known ? null : "this server knows no ends of fields";
    },
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "t", 1);
      const end = (key: string, field: string, at: number) =>
        client.call("HPEXPIREAT", key, at, "FIELDS", 1, field);
      const endsOf = (key: string) =>
        client.call("HPEXPIRETIME", key, "FIELDS", 2, "updated_at", "credentials");
      await end(OLD, "updated_at", ENDS_AT);
      await end(OLD, "credentials", ENDS_AT + 1);
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(await client.hget(NEW, "updated_at"), "1706749200500");
      assertEquals(await endsOf(NEW), [ENDS_AT, ENDS_AT + 1]);
      await end(OLD, "credentials", ENDS_AT + 9);
      const { code, stdout } = await outpost(VERIFY);
      assertEquals(code, 1);
      assertStringIncludes(stdout, OLD);
      await outpost(CLEANUP);
      assertEquals(await endsOf(OLD), [ENDS_AT, ENDS_AT + 9]);
    },
  },
  {
    id: "R15 lists and streams",
    severity: "S1",
    failure: "a list and a stream pass for their copies that are none, and cleanup deletes them",
    from: OWN,
    shown:
      "Two members against one with a zero byte between them, and a stream that a consumer has read: both are named and stay.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "t");
      await client.rpush("tenant:t:list", "a", "b");
      await client.xadd("tenant:t:stream", "1-1", "f", "v");
      await client.xgroup("CREATE", "tenant:t:stream", "workers", "0");
      assertEquals((await outpost(APPLY)).code, 0);
      await client.del("tenant:{t}:list");
      await client.rpush("tenant:{t}:list", "a\0b");
      await client.xreadgroup("GROUP", "workers", "one", "STREAMS", "tenant:{t}:stream", ">");
      const { code, stdout } = await outpost(VERIFY);
      assertEquals(code, 1);
      for (const key of ["tenant:t:list", "tenant:t:stream"]) assertStringIncludes(stdout, `${key}: `);
      await outpost(CLEANUP);
      assertEquals(await client.lrange("tenant:t:list", 0, -1), ["a", "b"]);
      assertEquals(await client.xlen("tenant:t:stream"), 1);
    },
  },
  {
    id: "R15 an end taken away",
    severity: "S1",
    failure: "an original that was made to stay between judging and deleting is deleted for a copy that ends",
    from: OWN,
    shown:
      "PERSIST before each of the commands of cleanup that name it in turn: a record that is to stay is never gone under both names.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let [at, acted] = [0, true]; acted; at++) {
        await client.flushall();
        await client.hset("tenant:t", { id: "t", created_at: CREATED });
        await client.pexpireat("tenant:t", ENDS_AT);
        assertEquals((await outpost(APPLY)).code, 0);
        let seen = 0;
        acted = false;
        let persisted = 0;
        const env = stores.through(async ({ text }) => {
          if (!text.includes("tenant:t") || seen++ !== at) return null;
          acted = true;
          persisted = await client.persist("tenant:t");
          return null;
        });
        await outpost("migrate cleanup --redis-only --yes", { env });
        // Once it was deleted there is nothing that could be made to stay.
        if (persisted === 1) assertEquals([at, await client.pttl("tenant:t")], [at, -1]);
        if (!acted) assertGreater(at, 1);
      }
    },
  },
  {
    id: "R15 sizes",
    severity: "S2",
    failure:
      "records with large values are read all at once, so that two hundred of them take the memory of client and server",
    from: OWN,
    shown:
      "A server that ends whoever has more than 24 MB of answers to come: 80 MB of records are copied, verified and cleaned up.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let i = 0; i < 40; i++) {
        await client.hset(`tenant:t:destination:b${i}`, {
          ...{ id: `b${i}`, type: "webhook", created_at: CREATED },
          config: String(i).padEnd(2 * MEGABYTE, "x"),
        });
      }
      await client.config("SET", "client-output-buffer-limit", `normal ${24 * MEGABYTE} 0 0`);
      try {
        for (const line of [APPLY, VERIFY, "migrate cleanup --redis-only --yes"]) {
          assertEquals((await outpost(line)).code, 0, line);
        }
        for (let i = 0; i < 40; i++) {
          assertEquals(await client.hstrlen(`tenant:{t}:destination:b${i}`, "config"), 2 * MEGABYTE);
          assertEquals(await client.exists(`tenant:t:destination:b${i}`), 0);
        }
      } finally {
        await client.config("SET", "client-output-buffer-limit", "normal 0 0 0");
      }
    },
  },
  {
    id: "R15 colons",
    severity: "S2",
    failure: "a name of many colons is asked about in as many ways, each as long as it",
    from: OWN,
    shown:
      "A key with 8000 colons beside others: less than a megabyte is sent for it, the others are migrated, and it is not deleted.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "t", 1);
      const many = `tenant:${"a:".repeat(8000)}z`;
      await client.hset(many, { note: "whose is it" });
      let sent = 0;
      const env = stores.through(({ text }) => {
        sent += text.length;
        return null;
      });
      await outpost(APPLY, { env });
      assertLess(sent, 5 * MEGABYTE); // A question for each colon would be 64 MB.
      assertEquals(await client.hget(NEW, "created_at"), CREATED_MS);
      await outpost(CLEANUP);
      assertEquals(await client.exists(many), 1);
    },
  },
  {
    id: "R15 init",
    severity: "S3",
    failure: "init walks over the whole keyspace six times before the server may start",
    from: OWN,
    shown: "An empty installation among 3000 keys of others: one walk, and none for the next pod.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await client.mset(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`other:${i}`, "1"])));
      for (const walks of [1, 0]) {
        let begun = 0;
        const env = stores.through(({ name, text }) => {
          if (name === "SCAN" && /^(SCAN )?0( |$)/.test(text)) begun++;
          return null;
        });
        assertEquals((await outpost("migrate init --redis-only", { env })).code, 0);
        assertEquals(begun, walks);
      }
    },
  },
  {
    id: "redis-om #711",
    severity: "S1",
    failure:
      "a time without a zone is read in that of the machine, and one that is no time is skipped without a word",
    from: "redis-om #711, its migration of times",
    shown:
      "Both are named, in Kathmandu as anywhere, and left as they are; the migration is not applied, and all others are converted.",
    async prove(stores) {
      const { client, env } = await stores.deployment();
      const wrong = { nozone: "2024-01-15T10:30:00", date: "2024-01-15", never: "yesterday" };
      for (const [id, created_at] of Object.entries(wrong)) {
        await client.hset(`tenant:{${id}}:tenant`, { id, created_at });
      }
      await client.hset("tenant:{t}:tenant", { id: "t", created_at: CREATED });
      const { code, stdout } = await runCli(APPLY.split(" "), { env: { ...env, TZ: "Asia/Kathmandu" } });
      assertEquals(code, 1);
      for (const [id, created_at] of Object.entries(wrong)) {
        assertStringIncludes(stdout, `tenant:{${id}}:tenant`);
        assertEquals(await client.hget(`tenant:{${id}}:tenant`, "created_at"), created_at);
      }
      assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "failed");
      assertEquals(await client.hget("tenant:{t}:tenant", "created_at"), CREATED_MS);
    },
  },
  {
    id: "redis-om #711",
    severity: "S1",
    failure:
      "a run goes on by a list of keys that are done, and passes over what was written to them in the pause",
    from: "redis-om #711, its saved progress",
    shown:
      "Stopped in the middle; the old application writes to every record in the pause, done or not: the next run converts each.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const keys = Array.from({ length: 60 }, (_, i) => `tenant:{t${i}}:tenant`);
      for (const [i, key] of keys.entries()) await client.hset(key, { id: `t${i}`, created_at: CREATED });
      const created = () => Promise.all(keys.map((key) => client.hget(key, "created_at")));
      const stop = new AbortController();
      const env = stores.through(async ({ name }) => {
        if (/^EVAL(SHA)?$/.test(name) && (await created()).includes(CREATED_MS)) stop.abort();
        return null;
      });
      assertEquals((await outpost(`${APPLY} --batch-size 2`, { env, stop: stop.signal })).code, 130);
      assert((await created()).includes(CREATED_MS));
      assert((await created()).includes(CREATED));
      for (const key of keys) await client.hset(key, "created_at", CREATED);
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(new Set(await created()), new Set([CREATED_MS]));
    },
  },
];
