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
import { V8_FLAGS } from "../scripts/compile.ts";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { startRedis } from "../tests/support/redis.ts";
import { type Command, type Cost, LimitMeter, slowestCommandMs, watchSlowCommands } from "./redis_limit.ts";
import type { JobName, Measured } from "./redis_worker.ts";

const { values } = parseArgs({
  options: { records: { type: "string", default: "20000,300000,1000000" }, "no-fence": { type: "boolean" } },
});
/** The commands that each job cannot avoid. Null for a job that does not grow with the records. */
const UNAVOIDABLE: Readonly<Record<JobName, readonly Command[] | null>> = {
  "plan": ["scan", "read", "exists"],
  "whole backlog": ["scan", "read", "copy", "write"],
  "apply again": ["scan", "readBoth"],
  "verify": null,
  "verify --full": ["scan", "readBoth"],
  "cleanup": ["scan", "readBoth", "unlink"],
  "status": null,
};

for (const records of values.records.split(",").map(Number)) {
  print(report(records, await bench(records, values["no-fence"] === true ? "unfenced" : "fenced")));
}

/** One job, and what a server could do at most just before it. */
interface Result extends Measured {
  readonly limit: Cost | null;
  readonly probeP99Ms: number;
  readonly idleP99Ms: number;
  readonly slowestMs: number;
}

async function bench(records: number, fence: "fenced" | "unfenced"): Promise<Result[]> {
  await using server = await startRedis();
  await using other = await startRedis();
  const client = server.client();
  for (const one of [server, other]) {
    await seedLegacyRedis(one, { tenants: records / 10, destinationsPerTenant: 9 });
  }
  const meter = await LimitMeter.create(other);
  const worker = startWorker(server.port, fence);
  const results: Result[] = [];
  for (const commands of Object.values(UNAVOIDABLE)) {
    const limit = commands && await meter.measure(commands);
    const idleP99Ms = p99(await probe(client, new Promise((resolve) => setTimeout(resolve, 1000))));
    await watchSlowCommands(client);
    const work = worker.next();
    const probeP99Ms = p99(await probe(client, work));
    const measured = await work;
    results.push({ ...measured, limit, probeP99Ms, idleP99Ms, slowestMs: await slowestCommandMs(client) });
  }
  return results;
}

/** Does the jobs one by one, each when it is asked for. */
function startWorker(port: number, fence: "fenced" | "unfenced"): { next(): Promise<Measured> } {
  const file = fromFileUrl(new URL("redis_worker.ts", import.meta.url));
  const worker = spawn(Deno.execPath(), ["run", "-A", V8_FLAGS, file, String(port), fence], {
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

/** Asks the server about every 10 ms until the work is done. @returns Milliseconds of each answer. */
async function probe(client: Redis, work: Promise<unknown>): Promise<number[]> {
  let done = false;
  const end = () => void (done = true);
  work.then(end, end);
  const latencies: number[] = [];
  while (!done) {
    const sentAt = performance.now();
    await client.get("probe");
    latencies.push(performance.now() - sentAt);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return latencies;
}

function p99(latencies: number[]): number {
  return latencies.sort((one, other) => one - other)[Math.floor(latencies.length * 0.99)] ?? 0;
}

/** A table in Markdown. */
function report(records: number, results: readonly Result[]): string {
  const peak = Math.max(...results.map(({ peakMb }) => peakMb)).toFixed(0);
  const backlog = results.find(({ name }) => name === "whole backlog")!;
  return [
    `${records} records, memory up to ${peak} MB`,
    "",
    "| job | of the limit, server | of the limit, time | server us a record (limit) | us a record (limit) | server time, backlog = 1 | time, backlog = 1 | ms in all | p99 of another client, ms (idle) | slowest command, ms |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...results.map((result) => `| ${cells(records, result, backlog).join(" | ")} |`),
    "",
  ].join("\n");
}

function cells(records: number, result: Result, backlog: Cost): string[] {
  const { name, ms, limit, probeP99Ms, idleP99Ms, slowestMs } = result;
  const share = (at: keyof Cost) => limit === null ? "" : `${(100 * limit[at] / result[at]).toFixed(0)} %`;
  const us = (of: number) => (of * 1000 / records).toFixed(1);
  const each = (at: keyof Cost) => limit === null ? "" : `${us(result[at])} (${us(limit[at])})`;
  const beside = (at: keyof Cost) => limit === null ? "" : (result[at] / backlog[at]).toFixed(2);
  return [
    ...[name, share("serverMs"), share("ms"), each("serverMs"), each("ms")],
    ...[beside("serverMs"), beside("ms"), ms.toFixed(0)],
    `${probeP99Ms.toFixed(1)} (${idleP99Ms.toFixed(1)})`,
    slowestMs.toFixed(1),
  ];
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
