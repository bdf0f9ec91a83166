import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import type { Cluster } from "ioredis";
import { spawnCli } from "../support/cli.ts";
import type { Decide } from "../support/faults/fault.ts";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis.ts";
import { eventually } from "../support/server.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { allKeys } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { type Answered, outpost } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const OWN = "the first release candidate of this project";
const CREATED = "2024-01-15T10:30:00Z";
const TENANTS = 300;
/** Where the proxies before the nodes listen, at the ports of the nodes. */
const PROXIES = `127.77.${Deno.pid >> 8 & 255}.${Deno.pid & 255}`;

/** A cluster of three masters. */
interface World extends AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly client: Cluster;
  /** A way to all masters on which any command can be spoilt. */
  proxied(decide: Decide): AsyncDisposable & { readonly env: Record<string, string> };
  run(line: string): Promise<Answered>;
  /** Calls of a command on all masters together. */
  calls(command: string): Promise<number>;
}

async function start(): Promise<World> {
  const cluster = await startRedisCluster();
  const client = cluster.client();
  const env = {
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: String(cluster.ports[0]),
    REDIS_CLUSTER_ENABLED: "true",
  };
  return {
    cluster,
    client,
    proxied(decide) {
      const proxies = cluster.ports.map((port) =>
        startFaultProxy({ protocol: "redis", target: port, hostname: PROXIES, port, decide })
      );
      return {
        env: { ...env, REDIS_HOST: PROXIES, REDIS_DEV_CLUSTER_HOST_OVERRIDE: "true" },
        async [Symbol.asyncDispose]() {
          for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
        },
      };
    },
    run: (line) => outpost(line, { env }),
    async calls(command) {
      let sum = 0;
      for (const node of cluster.nodes) {
        const stats = await node.client().info("commandstats");
        sum += Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
      }
      return sum;
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

chapter("Clusters and size", start, [
  {
    id: "B25",
    severity: "S1",
    failure: "on a cluster a third of the keys is found, and the migration is applied",
    from:
      `${RUNNER} with go-redis (31.7 to 35.3 % found); RIOT #127, #155, #88, #165; RedisShake #811, #955, #1057`,
    shown: `${TENANTS} tenants over three masters: every one of them is migrated and converted.`,
    async prove({ client, run }) {
      for (let i = 0; i < TENANTS; i++) await seedLegacyTenant(client as never, `t${i}`, 1);
      const { code, stderr } = await run("migrate apply --redis-only --yes");
      assertEquals(code, 0, stderr);
      for (let i = 0; i < TENANTS; i++) {
        const [created, entity] = await client.hmget(`tenant:{t${i}}:tenant`, "created_at", "entity");
        assertEquals([created, entity], ["1705314600000", "tenant"], `t${i}`);
      }
      assertEquals((await run("migrate verify --redis-only --full")).code, 0);
    },
  },
  {
    id: "B26",
    severity: "S2",
    failure: "cleanup deletes keys of many slots in one command, which no cluster does",
    from: `${RUNNER} #461, 001_hash_tags (CROSSSLOT, measured)`,
    shown: "Cleanup of the same cluster leaves no key of the legacy form, and all of the current one.",
    async prove({ client, run }) {
      const { code, stderr } = await run("migrate cleanup --redis-only --yes");
      assertEquals(code, 0, stderr);
      const keys = await allKeys(client);
      assertEquals(keys.filter((key) => /^tenant:[^{]/.test(key)), []);
      assertEquals(keys.filter((key) => key.endsWith(":tenant")).length, TENANTS);
    },
  },
  {
    id: "B27",
    severity: "S2",
    failure: "KEYS blocks the server for the whole keyspace",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "No master ever saw KEYS, from apply to cleanup, but those of this test.",
    async prove({ calls }) {
      assertEquals(await calls("keys"), 3);
      assert(await calls("scan") > 0);
    },
  },
  {
    id: "R6",
    severity: "S1",
    failure: "a run that dies between a copy and its proof brings back for good what was deleted then",
    from: OWN,
    shown:
      "Killed right after its first copy to another node; the old application deletes the original: the next run takes the copy away.",
    async prove({ client, run, proxied }) {
      await empty(client);
      for (let i = 0; i < 12; i++) await client.hset(`tenant:t${i}`, { id: `t${i}`, created_at: CREATED });
      // So that the script which copies is sent in full, and can be told from others.
      for (const node of client.nodes("master")) await node.call("SCRIPT", "FLUSH");
      let restored = false;
      await using way = proxied(({ name, text }) => {
        if (restored) return { type: "cut" };
        if (/^EVAL(SHA)?$/.test(name) && text.includes("RESTORE")) {
          restored = true;
          return { type: "lost_reply" };
        }
        return null;
      });
      const child = spawnCli(["migrate", "apply", "redis/1", "--redis-only", "--yes", "--lock-ttl", "3s"], {
        env: way.env,
      });
      const copies = await eventually(async () => {
        const found = (await allKeys(client)).filter((key) => key.endsWith(":tenant"));
        assert(restored && found.length > 0);
        return found;
      });
      child.kill("SIGKILL");
      await child.output();
      for (const copy of copies) await client.del(`tenant:${/\{(.*)\}/.exec(copy)![1]}`);
      const { code, stderr } = await run("migrate apply --redis-only --yes --lock-wait 30s");
      assertEquals(code, 0, stderr);
      const left = (await allKeys(client)).filter((key) => key.endsWith(":tenant"));
      assertEquals(left.filter((key) => copies.includes(key)), []);
      assertEquals(left.length, 12 - copies.length);
    },
  },
  {
    id: "R12",
    severity: "S2",
    failure:
      "one slot that somebody left half moved costs forty walks over everything, and nothing is converted",
    from: OWN,
    shown: "All that can be converted is, after one walk; the run fails with the number of the slot.",
    async prove({ cluster, client, run, calls }) {
      await empty(client);
      for (let i = 0; i < 60; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      const [source, target] = cluster.nodes.map((node) => node.client());
      const slot = 5000; // Of the first master, whose slots end at 5460.
      const [from, to] = [
        await source!.call("CLUSTER", "MYID"),
        await target!.call("CLUSTER", "MYID"),
      ] as string[];
      await target!.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from!);
      await source!.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to!);
      const before = await calls("scan");
      const { code, stdout } = await run("migrate apply redis/1 redis/2 --redis-only --yes");
      assertEquals(code, 1);
      assertStringIncludes(stdout, `slot ${slot}`);
      assertLess(await calls("scan") - before, 40);
      for (const node of [source!, target!]) await node.call("CLUSTER", "SETSLOT", slot, "STABLE");
      assertEquals((await run("migrate apply --redis-only --yes")).code, 0);
    },
  },
  {
    id: "R13",
    severity: "S3",
    failure: "a rate that was asked for counts for each master, so that a cluster gets several times as much",
    from: OWN,
    shown: "80 records on three masters at 40 a second take longer than they could with a rate for each.",
    async prove({ client, run }) {
      await empty(client);
      for (let i = 0; i < 80; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      assertEquals((await run("migrate apply redis/1 --redis-only --yes")).code, 0);
      const began = performance.now();
      assertEquals(
        (await run("migrate apply redis/2 --redis-only --yes --max-rate 40 --batch-size 5")).code,
        0,
      );
      assertGreater(performance.now() - began, 1400);
    },
  },
]);

async function empty(client: Cluster): Promise<void> {
  for (const node of client.nodes("master")) await node.flushall();
}
