/**
 * How fast the Redis migrations are, in shares of what the same server can do at most in the same minute; how much memory
 * they take; and what other clients notice. Starts servers of its own.
 *
 * Usage: `deno task bench [--records 20000,300000,1000000]`
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { Redis } from "ioredis";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { startRedis } from "../tests/support/redis.ts";
import { type Limit, measureLimit } from "./redis_limit.ts";
import type { Measured } from "./redis_worker.ts";

const { values } = parseArgs({
  options: { records: { type: "string", default: "20000,300000,1000000" }, "no-fence": { type: "boolean" } },
});

for (const records of values.records.split(",").map(Number)) {
  const result = await bench(records, values["no-fence"] === true ? "unfenced" : "fenced");
  print(report(records, result));
}

interface Result {
  readonly limit: Limit;
  readonly measured: readonly Measured[];
  readonly slowestMs: number;
  readonly slowest: string;
  readonly probeP99Ms: number;
  readonly idleP99Ms: number;
}

async function bench(records: number, fence: "fenced" | "unfenced"): Promise<Result> {
  await using server = await startRedis();
  const client = server.client();
  await seedLegacyRedis(server, { tenants: records / 10, destinationsPerTenant: 9 });
  const limit = await measureLimit(client, server.port, records, (pattern) => unlink(client, pattern));
  const idleP99Ms = p99(await probe(client, new Promise((resolve) => setTimeout(resolve, 1000))));
  await client.config("SET", "slowlog-log-slower-than", "1000");
  await client.config("SET", "slowlog-max-len", "20000");
  await client.call("SLOWLOG", "RESET");
  const work = runWorker(server.port, fence);
  const latencies = await probe(client, work);
  const measured = await work;
  const slow = (await client.call("SLOWLOG", "GET", "20000") as [number, number, number, string[]][])
    .sort((one, other) => other[2] - one[2])[0];
  return {
    limit,
    measured,
    slowestMs: (slow?.[2] ?? 1000) / 1000,
    slowest: slow === undefined ? "none above 1 ms" : slow[3].slice(0, 2).join(" "),
    probeP99Ms: p99(latencies),
    idleP99Ms,
  };
}

async function runWorker(port: number, fence: "fenced" | "unfenced"): Promise<Measured[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("redis_worker.ts", import.meta.url).pathname, String(port), fence],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The worker failed");
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line) as Measured);
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

async function unlink(client: Redis, pattern: string): Promise<void> {
  for await (const keys of client.scanStream({ match: pattern, count: 1000 })) {
    if ((keys as string[]).length > 0) await client.unlink(...keys as string[]);
  }
}

function report(records: number, { limit, measured, ...rest }: Result): string {
  const applied = measured.filter(({ name }) => /^\d/.test(name));
  const sum = (field: "ms" | "serverMs") => applied.reduce((total, one) => total + one[field], 0);
  const backlog = { name: "whole backlog", ms: sum("ms"), serverMs: sum("serverMs"), peakMb: 0 };
  const lines = [...measured.slice(0, 4), backlog, ...measured.slice(4)].map(({ name, ms, serverMs }) => {
    const rate = records / (ms / 1000);
    const us = (serverMs * 1000) / records;
    return row(name, rate, us, percent(rate / limit.recordsPerSecond), percent(limit.serverUsPerRecord / us));
  });
  const peaks = measured.map(({ name, peakMb }) => `${name} ${peakMb.toFixed(0)}`).join(", ");
  const peakMb = Math.max(...measured.map(({ peakMb }) => peakMb));
  return [
    `${records} records     records/s  of limit  server us/record  of limit`,
    row("limit", limit.recordsPerSecond, limit.serverUsPerRecord, "100 %", "100 %"),
    ...lines,
    `  peak memory      ${peakMb.toFixed(0)} MB (in MB up to the end of each: ${peaks})`,
    `  slowest command  ${rest.slowestMs.toFixed(1)} ms (${rest.slowest})`,
    `  probe p99        ${rest.probeP99Ms.toFixed(1)} ms (idle ${rest.idleP99Ms.toFixed(1)} ms)`,
    "",
  ].join("\n");
}

function row(name: string, rate: number, us: number, share: string, serverShare: string): string {
  const columns = [Math.round(rate).toString().padStart(9), share.padStart(9), us.toFixed(1).padStart(17)];
  return `  ${name.padEnd(16)} ${columns.join(" ")} ${serverShare.padStart(9)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
