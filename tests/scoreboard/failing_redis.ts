/**
 * Proofs about a Redis that is full, fails over, or goes on without the run.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { startProxy } from "../support/proxy.ts";
import { follows, startPair } from "../support/redis_pair.ts";
import { snapshot } from "../support/redis_records.ts";
import { eventually } from "../support/server.ts";
import type { Failure } from "./failure.ts";
import { outpost as runOutpost, type Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";
const APPLY = "migrate apply --redis-only --yes";

/** They work on the servers of `redis_runs_test.ts`. */
export const FAILING_REDIS: readonly Failure<Stores>[] = [
  {
    id: "R7",
    severity: "S1",
    failure: "a Redis that evicts loses records while it is migrated, and every migration is applied",
    from: OWN,
    shown: "allkeys-lru without room for a second form of every record: refused before the first write.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const batch = client.pipeline();
      for (let i = 0; i < 1500; i++) {
        batch.hset(`tenant:t${i}`, { id: `t${i}`, created_at: CREATED, metadata: "x".repeat(400) });
      }
      await batch.exec();
      const before = await snapshot(client);
      const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))![1]);
      try {
        await client.config("SET", "maxmemory", Math.round(used * 1.4));
        await client.config("SET", "maxmemory-policy", "allkeys-lru");
        const { code, json } = await outpost(`${APPLY} --json`);
        assertEquals([code, json.error.code], [1, "blocked"]);
        assertStringIncludes(json.error.message, "allkeys-lru");
        assertEquals(await snapshot(client), before);
      } finally {
        await client.config("SET", "maxmemory", 0);
        await client.config("SET", "maxmemory-policy", "noeviction");
      }
    },
  },
  {
    id: "R8",
    severity: "S1",
    failure:
      "init that stood still for longer than its lease marks everything applied over data that has appeared",
    from: OWN,
    shown:
      "Another run takes the lock when init has looked, and records appear: it ends with 3 and marks nothing.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      let acted = false;
      const env = stores.through(async ({ name, text }) => {
        if (acted || !/^EVAL(SHA)?$/.test(name) || !text.includes(" applied")) return null;
        acted = true;
        for (const key of await client.keys("*lock*")) await client.del(key);
        for (const key of await client.keys("*fence*")) await client.del(key);
        await client.set("outpost:migration:lock", '{"token":"another"}', "PX", 60_000);
        await client.hset("tenant:{t}:tenant", { id: "t", created_at: CREATED });
        return null;
      });
      const { code } = await outpost("migrate init --redis-only", { env });
      assert(acted);
      assertEquals(code, 3);
      assertEquals(await client.exists("outpost:migration:002_timestamps"), 0);
    },
  },
  {
    id: "R9",
    severity: "S1",
    failure: "a failover while a migration is being recorded leaves it applied with records unconverted",
    from: OWN,
    shown: "A replica that lags takes over at that very command: every record is converted on it.",
    async prove() {
      await using pair = await startPair();
      await using way = startProxy(pair.primary.port);
      let [writes, failed] = [0, false];
      await using proxy = startFaultProxy({
        protocol: "redis",
        target: way.port,
        async decide({ name, text }) {
          if (name !== "EVALSHA") return null;
          if (text.includes("created_at") && ++writes === 3) pair.link.close(); // The replica gets nothing more.
          if (!failed && text.includes("002_timestamps") && text.includes("status applied")) {
            failed = true;
            await pair.replica.client().call("REPLICAOF", "NO", "ONE");
            way.redirect(pair.replica.port);
          }
          return null;
        },
      });
      const client = pair.primary.client();
      for (let i = 0; i < 200; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      await eventually(async () => assertEquals(await pair.replica.client().dbsize(), 200));
      const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(proxy.port) };
      const line = `${APPLY} --batch-size 10 --lock-wait 60s`;
      let { code } = await runOutpost(line, { env });
      assert(failed);
      if (code !== 0) ({ code } = await runOutpost(line, { env }));
      assertEquals(code, 0);
      for (let i = 0; i < 200; i++) {
        assertEquals(
          await pair.replica.client().hget(`tenant:{t${i}}:tenant`, "created_at"),
          CREATED_MS,
          `t${i}`,
        );
      }
    },
  },
  {
    id: "R8 adoption",
    severity: "S1",
    failure: "what an older tool recorded is taken over by a run that has lost its lock",
    from: OWN,
    shown:
      "Another run takes the lock just before the marks of all deployments are taken over: it ends with 3, and takes nothing.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await client.hset("outpost:migration:002_timestamps", { status: "applied", applied_at: CREATED });
      await client.hset("dp_1:tenant:{t}:tenant", { id: "t", created_at: CREATED_MS, entity: "tenant" });
      let acted = false;
      const env = stores.through(async ({ name, text }) => {
        if (acted || !/^EVAL(SHA)?$/.test(name) || !/dp_1:outpost:migration:/.test(text)) return null;
        acted = true;
        const own = await client.keys("*outpost*");
        for (const key of own.filter((key) => /lock|fence/.test(key))) await client.del(key);
        await client.set("dp_1:outpost:migration:lock", '{"token":"another"}', "PX", 60_000);
        return null;
      });
      const { code, stderr } = await outpost(`${APPLY} --lock-wait 0 --deployment-id dp_1`, { env });
      assert(acted);
      assertEquals(code, 3, stderr);
      assertEquals(await client.keys("dp_1:outpost:migration:00*"), []);
    },
  },
  {
    id: "R9 replicas",
    severity: "S1",
    failure: "a run calls itself applied, and cleanup deletes, before a replica has what was written",
    from: OWN,
    shown:
      "The replica is connected and gets nothing more: apply fails, cleanup deletes nothing, and both are done once it follows.",
    async prove() {
      await using pair = await startPair();
      const [client, env] = [pair.primary.client(), {
        REDIS_HOST: "127.0.0.1",
        REDIS_PORT: String(pair.primary.port),
      }];
      const keys = Array.from({ length: 50 }, (_, i) => `tenant:t${i}`);
      for (const [i, key] of keys.entries()) await client.hset(key, { id: `t${i}`, created_at: CREATED });
      await eventually(async () => assertEquals(await pair.replica.client().dbsize(), 50));
      const silent = "does not confirm what was written";
      pair.link.stall();
      const applied = await runOutpost("migrate apply redis/1 --redis-only --yes", { env });
      assertEquals(applied.code, 1);
      assertStringIncludes(applied.stdout + applied.stderr, silent);
      assertEquals(await client.hget("outpost:migration:001_hash_tags", "status"), "failed");
      pair.link.cut();
      await follows(pair.replica);
      assertEquals((await runOutpost(APPLY, { env })).code, 0);
      pair.link.stall();
      await client.set("more", "that the replica does not get");
      const cleaned = await runOutpost("migrate cleanup --redis-only --yes", { env });
      assert(cleaned.code !== 0);
      assertStringIncludes(cleaned.stdout + cleaned.stderr, silent);
      assertEquals(await client.exists(...keys), 50);
      pair.link.cut();
      await follows(pair.replica);
      assertEquals((await runOutpost("migrate cleanup --redis-only --yes", { env })).code, 0);
      assertEquals(await client.exists(...keys), 0);
    },
  },
];
