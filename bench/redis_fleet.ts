/**
 * What many deployments in one Redis cost beside one deployment of as many records: a walk serves all, so that it should be about the
 * same. Starts servers of its own.
 *
 * Usage: `deno run -A --v8-flags=--max-semi-space-size=8 bench/redis_fleet.ts [--deployments 1000] [--records 300]`
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { Fleet } from "../engine/fleet.ts";
import { findOutpostDeployments } from "../migrations/find_deployments.ts";
import { createOutpostFleet } from "../migrations/mod.ts";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { startRedis } from "../tests/support/redis.ts";
import { serverCpuMs } from "./redis_limit.ts";

const { values } = parseArgs({
  options: {
    deployments: { type: "string", default: "1000" },
    records: { type: "string", default: "300" },
  },
});
const [deployments, records] = [Number(values.deployments), Number(values.records)];

const JOBS: readonly (readonly [name: string, work: (fleet: Fleet) => Promise<unknown>])[] = [
  ["status", (fleet) => all(fleet.each((engine) => engine.status()))],
  ["plan", (fleet) => all(fleet.each((engine) => engine.plan()))],
  ["apply", (fleet) => all(fleet.each((engine) => engine.apply()))],
  ["idle apply", (fleet) => all(fleet.each((engine) => engine.apply()))],
  ["verify", (fleet) => all(fleet.each((engine) => engine.verify()))],
  ["verify --full", (fleet) => all(fleet.each((engine) => engine.verify({ full: true })))],
];

/** What one job took. */
interface Cost {
  readonly ms: number;
  readonly serverMs: number;
}

const one = await measure(["dp"], deployments * records);
const many = await measure(Array.from({ length: deployments }, (_, i) => `dp_${i}`), records);
print(
  `| job | ${deployments} of ${records}, time (server) | one of ${deployments * records} | ratio |`,
);
print("| --- | --- | --- | --- |");
for (const [name, cost] of many) {
  const single = one.get(name)!;
  const [time, server] = [cost.ms / single.ms, cost.serverMs / single.serverMs].map((ratio) =>
    ratio.toFixed(2)
  );
  print(`| ${name} | ${shown(cost)} | ${shown(single)} | ${time} (${server}) |`);
}

async function measure(deploymentIds: readonly string[], count: number): Promise<ReadonlyMap<string, Cost>> {
  await using server = await startRedis();
  for (const id of deploymentIds) {
    await seedLegacyRedis(server, {
      ...{ tenants: count / 10, destinationsPerTenant: 9, deletedShare: 0 },
      ...{ hashTags: true, prefix: `${id}:` },
    });
  }
  Deno.writeTextFileSync("/proc/self/clear_refs", "5"); // The most memory so far was that of writing the records.
  const redis = server.client();
  const costs = new Map<string, Cost>();
  const take = async (name: string, work: () => Promise<unknown>) => {
    const [startedAt, busyBefore] = [performance.now(), await serverCpuMs(redis)];
    await work();
    costs.set(name, { ms: performance.now() - startedAt, serverMs: await serverCpuMs(redis) - busyBefore });
  };
  await take("find", () => findOutpostDeployments(redis));
  const fleet = createOutpostFleet({ deploymentIds, redis, version: "1", owner: { host: "bench", pid: 1 } });
  for (const [name, work] of JOBS) await take(name, () => work(fleet));
  const peak = Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]) / 1024;
  print(`${deploymentIds.length} of ${count} records: memory up to ${peak.toFixed(0)} MB`);
  return costs;
}

async function all(work: ReturnType<Fleet["each"]>): Promise<void> {
  for (const outcome of await work) if (!outcome.ok) throw outcome.error;
}

function shown({ ms, serverMs }: Cost): string {
  return `${(ms / 1000).toFixed(2)} s (${(serverMs / 1000).toFixed(2)} s)`;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
