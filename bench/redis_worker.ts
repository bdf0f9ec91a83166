/**
 * Runs the Redis migrations in a process of its own, so that its memory is theirs. Waits for a line before each thing it
 * does, and prints a line of JSON after it. Arguments: port of the server, and `fenced` to guard every write with a fence
 * key.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { createRedisBackend } from "../engine/redis/backend.ts";
import { RedisStore } from "../engine/redis/store.ts";
import type { Fence } from "../engine/lock/lock.ts";
import { redisMigrations } from "../migrations/redis.ts";
import { serverCpuMs } from "./redis_limit.ts";
import { redisLayout } from "../migrations/redis_layout.ts";

/** What is measured, in this order. */
export type JobName =
  | "plan"
  | "whole backlog"
  | "apply again"
  | "verify"
  | "verify --full"
  | "cleanup"
  | "status";

/** A line of output. */
export interface Measured {
  readonly name: JobName;
  readonly ms: number;
  /** Time that the server's processor was at work. */
  readonly serverMs: number;
  readonly peakMb: number;
}

const [port, fenced] = Deno.args;
const client = new Redis({ host: "127.0.0.1", port: Number(port) });
const backend = createRedisBackend({
  store: new RedisStore(client),
  migrations: redisMigrations(""),
  layout: redisLayout(""),
});
const ids = backend.migrations.map(({ id }) => id);
const { signal } = new AbortController();
const fence: Fence = {
  token: "bench",
  keys: () => Promise.resolve(["outpost:migration:fence:bench"]),
  renew: () => Promise.reject(new Error("The fence was lost")),
};
if (fenced === "fenced") await client.set("outpost:migration:fence:bench", fence.token);
const options = { signal, ...(fenced === "fenced" ? { fence } : {}) };

const go = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const jobs: Readonly<Record<JobName, () => Promise<unknown>>> = {
  "plan": () => backend.plan(ids, { signal }),
  "whole backlog": () => backend.apply(ids, options),
  "apply again": () => backend.apply(ids, { ...options, rerun: true }),
  "verify": () => backend.verify(ids, { signal, full: false, sample: 20 }),
  "verify --full": () => backend.verify(ids, { signal, full: true, sample: 0 }),
  "cleanup": () => backend.cleanup(ids[0]!, options),
  "status": () => backend.read(),
};
for (const [name, work] of Object.entries(jobs) as [JobName, () => Promise<unknown>][]) {
  await measure(name, work);
}
client.disconnect();
process.exit(0); // Its input is still open.

async function measure(name: JobName, work: () => Promise<unknown>): Promise<void> {
  await go.next();
  const [startedAt, busyBefore] = [performance.now(), await serverCpuMs(client)];
  await work();
  const ms = performance.now() - startedAt;
  const serverMs = await serverCpuMs(client) - busyBefore;
  const peakMb = Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]) / 1024;
  const line = JSON.stringify({ name, ms, serverMs, peakMb } satisfies Measured);
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}
