/**
 * Proofs about a Redis that is full, fails over, or goes on without the run.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { startProxy } from "../support/proxy.ts";
import { startPair } from "../support/redis_pair.ts";
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
];
