/**
 * How fast the Redis migrations are, in shares of what the same server can do at most in the same minute; how much memory
 * they take; and what other clients notice. Starts servers of its own.
 *
 * Usage: `deno task bench [--records 20000,300000,1000000]`
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fromFileUrl } from "@std/path";
import { parseArgs } from "node:util";
import type { Redis } from "ioredis";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { startRedis } from "../tests/support/redis.ts";
import {
  type Command,
  type Cost,
  costOf,
  type Limit,
  LimitMeter,
  meanLimit,
  slowestCommand,
  watchSlowCommands,
} from "./redis_limit.ts";
import type { JobName, Measured } from "./redis_worker.ts";

const { values } = parseArgs({
  options: { records: { type: "string", default: "20000,300000,1000000" }, "no-fence": { type: "boolean" } },
});
/**
 * The commands that each job cannot avoid, for each record: its key is scanned, and that of its copy where there is one. Null for
 * a job that does not grow with the records.
 */
const UNAVOIDABLE: Readonly<Record<JobName, Partial<Record<Command, number>> | null>> = {
  "plan": { scan: 1, read: 1, exists: 1 },
  "whole backlog": { scan: 1, read: 1, copy: 1, write: 1 },
  "apply again": { scan: 2, readWhole: 2 },
  "verify": null,
  "verify --full": { scan: 2, readWhole: 2 },
  "cleanup": { scan: 2, readWhole: 2, unlink: 1 },
  "status": null,
};
const JOBS = Object.keys(UNAVOIDABLE).length;

for (const records of values.records.split(",").map(Number)) {
  print(report(records, await bench(records, values["no-fence"] === true ? "unfenced" : "fenced")));
}

/** One job, and what the server could do at most before and after it. */
interface Result extends Measured {
  readonly limit: Limit;
  readonly probeP99Ms: number;
  readonly idleP99Ms: number;
  readonly slowest: { readonly ms: number; readonly command: string };
}

async function bench(records: number, fence: "fenced" | "unfenced"): Promise<Result[]> {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: records / 10, destinationsPerTenant: 9 });
  const meter = await LimitMeter.create(client, server.port, records);
  const worker = startWorker(server.port, fence);
  const results: Result[] = [];
  let before = await meter.measure();
  while (results.length < JOBS) {
    const idleP99Ms = p99(await probe(client, new Promise((resolve) => setTimeout(resolve, 1000))));
    await watchSlowCommands(client);
    const work = worker.next();
    const probeP99Ms = p99(await probe(client, work));
    const measured = await work;
    const slowest = await slowestCommand(client);
    const after = await meter.measure();
    results.push({ ...measured, limit: meanLimit(before, after), probeP99Ms, idleP99Ms, slowest });
    before = after;
  }
  return results;
}

/** Does the jobs one by one, each when it is asked for. */
function startWorker(port: number, fence: "fenced" | "unfenced"): { next(): Promise<Measured> } {
  const file = fromFileUrl(new URL("redis_worker.ts", import.meta.url));
  const worker = spawn(Deno.execPath(), ["run", "-A", file, String(port), fence], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]();
  return {
    async next() {
      worker.stdin.write("\n");
      const { value, done } = await lines.next();
      if (done === true) throw new Error("The worker failed");
      return JSON.parse(value) as Measured;
    },
  };
}

/** Asks the server about every millisecond until the work is done. @returns Milliseconds of each answer. */
async function probe(client: Redis, work: Promise<unknown>): Promise<number[]> {
  let done = false;
  const end = () => void (done = true);
  work.then(end, end);
  const latencies: number[] = [];
  while (!done) {
    const sentAt = performance.now();
    await client.get("probe");
    latencies.push(performance.now() - sentAt);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return latencies;
}

function p99(latencies: number[]): number {
  return latencies.sort((one, other) => one - other)[Math.floor(latencies.length * 0.99)] ?? 0;
}

/** A table in Markdown. */
function report(records: number, results: readonly Result[]): string {
  const peak = Math.max(...results.map(({ peakMb }) => peakMb)).toFixed(0);
  return [
    `${records} records, memory up to ${peak} MB`,
    "",
    "| job | of the limit, server | of the limit, wall | server us a record (limit) | us a record (limit) | ms in all | p99 of another client, ms (idle) | slowest command, ms (noise) |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...results.map((result) => `| ${cells(records, result).join(" | ")} |`),
    "",
  ].join("\n");
}

function cells(records: number, result: Result): string[] {
  const { name, ms, serverMs, limit, probeP99Ms, idleP99Ms, slowest } = result;
  const commands = UNAVOIDABLE[name];
  const own: Cost = { us: (ms * 1000) / records, serverUs: (serverMs * 1000) / records };
  const least = commands === null ? null : costOf(limit, commands);
  const share = (at: keyof Cost) => least === null ? "" : `${(100 * least[at] / own[at]).toFixed(0)} %`;
  const each = (at: keyof Cost) => least === null ? "" : `${own[at].toFixed(1)} (${least[at].toFixed(1)})`;
  return [
    ...[name, share("serverUs"), share("us"), each("serverUs"), each("us"), ms.toFixed(0)],
    `${probeP99Ms.toFixed(1)} (${idleP99Ms.toFixed(1)})`,
    `${slowest.ms.toFixed(1)} (${limit.slowestMs.toFixed(1)})`,
  ];
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
