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
import { type Limit, LimitMeter, slowestCommand, watchSlowCommands } from "./redis_limit.ts";
import type { Measured } from "./redis_worker.ts";

const { values } = parseArgs({
  options: { records: { type: "string", default: "20000,300000,1000000" }, "no-fence": { type: "boolean" } },
});
/** What the worker does, in this order. */
const JOBS = 6;
const MIGRATION = /^\d/;

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
    results.push({ ...measured, limit: mean(before, after), probeP99Ms, idleP99Ms, slowest });
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

function mean(one: Limit, other: Limit): Limit {
  return {
    us: (one.us + other.us) / 2,
    serverUs: (one.serverUs + other.serverUs) / 2,
    slowestMs: Math.max(one.slowestMs, other.slowestMs),
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

function report(records: number, results: readonly Result[]): string {
  const migrations = results.filter(({ name }) => MIGRATION.test(name));
  const sum = (of: (result: Result) => number) => migrations.reduce((total, result) => total + of(result), 0);
  const average = (of: (result: Result) => number) => sum(of) / migrations.length;
  const backlog = {
    ms: sum(({ ms }) => ms),
    serverMs: sum(({ serverMs }) => serverMs),
    limit: { us: average(({ limit }) => limit.us), serverUs: average(({ limit }) => limit.serverUs) },
  };
  const lines = results.map((result) =>
    [
      row(result.name, records, result),
      `${result.probeP99Ms.toFixed(1)} (${result.idleP99Ms.toFixed(1)})`.padStart(14),
      `${result.slowest.ms.toFixed(1)} (${result.limit.slowestMs.toFixed(1)})  ${
        result.slowest.command.slice(0, 20)
      }`.padStart(14),
    ].join(" ")
  );
  lines.splice(1 + migrations.length, 0, row("whole backlog", records, backlog));
  const peaks = results.map(({ name, peakMb }) => `${name} ${peakMb.toFixed(0)}`).join(", ");
  return [
    `${records} records    of limit  us/record (limit)    server us/record   probe p99 ms   slowest command ms`,
    ...lines,
    `  peak memory      ${
      Math.max(...results.map(({ peakMb }) => peakMb)).toFixed(0)
    } MB (up to the end of each: ${peaks})`,
    "  in brackets: the limit (one read and one write by redis-benchmark) before and after it, the idle server's p99,",
    "  and the slowest of redis-benchmark's commands, which need microseconds: what the machine's noise makes",
    "",
  ].join("\n");
}

function row(
  name: string,
  records: number,
  { ms, serverMs, limit }: Pick<Result, "ms" | "serverMs"> & {
    readonly limit: Pick<Limit, "us" | "serverUs">;
  },
): string {
  const [us, serverUs] = [(ms * 1000) / records, (serverMs * 1000) / records];
  return [
    `  ${name.padEnd(18)}`,
    `${(100 * limit.us / us).toFixed(1)} %`.padStart(8),
    `${us.toFixed(1)} (${limit.us.toFixed(1)})`.padStart(16),
    `${serverUs.toFixed(1)} (${limit.serverUs.toFixed(1)})`.padStart(18),
  ].join(" ");
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
