import { assert, assertEquals, assertLess } from "@std/assert";
import type { Cluster } from "ioredis";
import { startRedisCluster } from "../support/redis.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { allKeys } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { type Answered, outpost } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const TENANTS = 300;

/** A cluster of three masters. */
interface World extends AsyncDisposable {
  readonly client: Cluster;
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
    client,
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
    from: `${RUNNER} with go-redis (31.7 to 35.3 % found); RIOT #127, #155; RedisShake #811, #955, #1057`,
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
    from: `${RUNNER}, 001_hash_tags (CROSSSLOT, measured)`,
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
    id: "B28",
    severity: "S2",
    failure: "everything is planned twice before anything is done, over all keys each time",
    from: `${RUNNER}, 002_timestamps and 003_entity`,
    shown:
      "With --yes nothing is planned first: apply asks for fewer keys than a pass for each migration and one more would.",
    async prove({ client, run, calls }) {
      for (const node of client.nodes("master")) await node.flushall();
      for (let i = 0; i < TENANTS; i++) await seedLegacyTenant(client as never, `more${i}`, 1);
      const before = await calls("scan");
      assertEquals((await run("migrate apply --redis-only --yes")).code, 0);
      const applied = await calls("scan");
      assertEquals((await run("migrate verify redis/1 --redis-only --full")).code, 0);
      const onePass = await calls("scan") - applied;
      assertLess(applied - before, onePass * 4);
    },
  },
]);
