/**
 * Advice on what Redis says.
 *
 * @module
 */

import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";
import { type Proof, proof } from "./proof.ts";

/** All of it. */
export const REDIS_ADVICE: readonly Proof[] = [
  proof("Give the Redis user the rights that {} shows", "has a user of few rights", async (world, see) => {
    await world.old();
    await world.client.call("ACL", "SETUSER", "few", "on", ">pw", "~*", "+@connection", "+info");
    const env = { REDIS_USERNAME: "few", REDIS_PASSWORD: "pw" };
    const [grants] = see(await world.outpost("migrate list", { env }));
    const { stdout } = await world.outpost(`${grants} --json`);
    const { statements } = JSON.parse(stdout).grants.find((one: { purpose: string; store: string }) =>
      one.purpose === "apply" && one.store === "redis"
    );
    const words = statements[0].replace("outpost_migrator", "few").replace(">PASSWORD", ">pw").split(" ")
      .slice(1);
    await world.client.call("ACL", ...words);
    return await world.outpost("migrate apply --yes", { env });
  }),
  proof(
    "Point the configuration at the master, this is a replica",
    "migrates a replica",
    async (world, see) => {
      await world.old();
      await using replica = await startRedis(["--replicaof", "127.0.0.1", String(world.redis.port)]);
      await eventually(async () => {
        if (
          !(await replica.client().info("replication")).includes("master_link_status:up")
        ) throw new Error();
      });
      see(await world.outpost("migrate apply --yes", { env: { REDIS_PORT: String(replica.port) } }));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Raise maxmemory to {} or more{}; when the originals are cleaned up it can be as before",
    "has no room for copies",
    async (world, see) => {
      await world.old();
      for (let i = 0; i < 2000; i++) {
        await world.client.hset(`tenant:t${i}`, { id: `t${i}`, name: "x".repeat(500) });
      }
      const used = Number(/used_memory:(\d+)/.exec(await world.client.info("memory"))![1]);
      await world.client.config("SET", "maxmemory", String(used + 100_000));
      await world.client.config("SET", "maxmemory-policy", "noeviction");
      const [room] = see(await world.outpost("migrate apply --yes"));
      await world.client.config("SET", "maxmemory", String(Math.ceil(Number(room!.split(" ")[0]) * 1e6)));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Look at what it is (TYPE), move it out of the way (RENAME), then run the same command again",
    "has another key under the lock's name",
    async (world, see) => {
      await world.old();
      await world.client.sadd("outpost:migration:lock", "x");
      see(await world.outpost("migrate apply --yes"));
      await world.client.rename("outpost:migration:lock", "somebody:else");
      return await world.outpost("migrate apply --yes");
    },
  ),
];
