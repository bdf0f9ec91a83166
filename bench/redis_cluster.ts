/**
 * What the Redis migrations take in a cluster of three masters, beside one server with the same records on the same machine. Starts
 * servers of its own.
 *
 * Usage: `deno run -A bench/redis_cluster.ts [--records 110000]`
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { Cluster, Redis } from "ioredis";
import { createRedisBackend } from "../engine/redis/backend.ts";
import { RedisStore } from "../engine/redis/store.ts";
import { redisMigrations } from "../migrations/redis.ts";
import { redisLayout } from "../migrations/redis_layout.ts";
import { destinationFields } from "../tests/support/legacy_redis_data.ts";
import { startRedis, startRedisCluster } from "../tests/support/redis.ts";
import { type Cost, serverCpuMs } from "./redis_limit.ts";

const { values } = parseArgs({ options: { records: { type: "string", default: "110000" } } });
const DESTINATIONS = 9;
/** Tenants that are written together. */
const TENANTS_AT_ONCE = 50;

const tenants = Math.round(Number(values.records) / (DESTINATIONS + 2));
const alone = await (async () => {
  await using server = await startRedis();
  const client = server.client();
  return await bench(client, [client]);
})();
await using cluster = await startRedisCluster();
const spread = await bench(cluster.client(), cluster.nodes.map((node) => node.client()));

const lines = Object.entries(alone).map(([job, one]) => {
  const three = spread[job]!;
  const cell = (at: keyof Cost) =>
    `${one[at].toFixed(0)} | ${three[at].toFixed(0)} | ${ratio(three[at], one[at])}`;
  return `| ${job} | ${cell("ms")} | ${cell("serverMs")} |`;
});
const table = [
  "| job | ms, one server | three masters | ratio | ms of servers, one | three | ratio |",
  "| --- | --- | --- | --- | --- | --- | --- |",
  ...lines,
];
await Deno.stdout.write(new TextEncoder().encode(`${table.join("\n")}\n`));
Deno.exit(0);

/** Does all jobs one after the other. */
async function bench(client: Redis | Cluster, nodes: readonly Redis[]): Promise<Record<string, Cost>> {
  for (let i = 0; i < tenants; i += TENANTS_AT_ONCE) {
    const some = Array.from({ length: Math.min(TENANTS_AT_ONCE, tenants - i) }, (_, at) => i + at);
    await Promise.all(some.flatMap((number) => seed(client, number)));
  }
  const backend = createRedisBackend({
    store: new RedisStore(client),
    migrations: redisMigrations(""),
    layout: redisLayout(""),
  });
  const ids = backend.migrations.map(({ id }) => id);
  const { signal } = new AbortController();
  const busyMs = async () => (await Promise.all(nodes.map(serverCpuMs))).reduce((one, other) => one + other);
  const costs: Record<string, Cost> = {};
  const measure = async (job: string, work: () => Promise<unknown>) => {
    const [startedAt, busyBefore] = [performance.now(), await busyMs()];
    await work();
    costs[job] = { ms: performance.now() - startedAt, serverMs: await busyMs() - busyBefore };
  };
  await measure("apply", () => backend.apply(ids, { signal }));
  await measure("verify --full", () => backend.verify(ids, { signal, full: true, sample: 0 }));
  await measure("cleanup", () => backend.cleanup(ids[0]!, { signal }));
  return costs;
}

/** One tenant of an old Outpost. */
function seed(client: Redis | Cluster, number: number): Promise<unknown>[] {
  const id = `tenant_${number}`;
  const time = "2024-01-15T10:30:00.123456789+07:00";
  const names = Array.from({ length: DESTINATIONS }, (_, at) => `des_${number}_${at}`);
  return [
    client.hset(`tenant:${id}`, "id", id, "created_at", time, "updated_at", time),
    client.hset(`tenant:${id}:destinations`, ...names.flatMap((name) => [name, `{"id":"${name}"}`])),
    ...names.map((name, at) =>
      client.hset(`tenant:${id}:destination:${name}`, ...destinationFields(name, number * 10 + at))
    ),
  ];
}

function ratio(one: number, other: number): string {
  return (one / other).toFixed(2);
}
