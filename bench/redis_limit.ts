/**
 * What a Redis can do at most: one read and one write of a destination's record, pipelined, by redis-benchmark.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import { findProgram } from "../tests/support/server.ts";

/** Records a second. */
export interface Limit {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** Records that are read once and written once. */
  readonly recordsPerSecond: number;
  /** Time that the server's processor takes to read one record and write one. */
  readonly serverUsPerRecord: number;
}

const REQUESTS = 300_000;
const KEY = "limit:__rand_int__";
const TIMES = ["created_at", "1705289400123", "updated_at", "1705289400123"];

/**
 * Measures a server, and deletes what that took.
 *
 * @param records How many records to read and write at random: as many as are migrated, for memory is slower than caches.
 */
export async function measureLimit(
  client: Redis,
  port: number,
  records: number,
  unlink: (pattern: string) => Promise<void>,
): Promise<Limit> {
  const credentials = Buffer.alloc(48, "x").toString();
  const whole = [
    "HSET",
    KEY,
    "id",
    "des_1234_5",
    "type",
    "webhook",
    "topics",
    '["user.created","user.deleted"]',
  ]
    .concat([
      "config",
      '{"url":"https://example.com/hooks/des_1234_5"}',
      "credentials",
      credentials,
      ...TIMES,
    ]);
  await run(port, records, records * 3, whole);
  const busyBefore = await serverCpuMs(client);
  const readsPerSecond = await run(port, records, REQUESTS, ["HGETALL", KEY]);
  const writesPerSecond = await run(port, records, REQUESTS, ["HSET", KEY, ...TIMES]);
  const busyMs = await serverCpuMs(client) - busyBefore;
  await unlink("limit:*");
  return {
    readsPerSecond,
    writesPerSecond,
    recordsPerSecond: 1 / (1 / readsPerSecond + 1 / writesPerSecond),
    serverUsPerRecord: (busyMs * 1000) / REQUESTS,
  };
}

/** Processor time that a server has used so far, in milliseconds. */
export async function serverCpuMs(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const seconds = (name: string) => Number(new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1]);
  return 1000 * (seconds("used_cpu_sys") + seconds("used_cpu_user"));
}

async function run(
  port: number,
  records: number,
  requests: number,
  command: readonly string[],
): Promise<number> {
  const { stdout } = await new Deno.Command(findProgram("redis-benchmark", "redis-tools"), {
    args: [
      "-p",
      String(port),
      "-n",
      String(requests),
      "-r",
      String(records),
      "-P",
      "100",
      "-c",
      "4",
      "--csv",
      ...command,
    ],
    stdout: "piped",
    stderr: "null",
  }).output();
  const [, row] = new TextDecoder().decode(stdout).trim().split("\n").slice(-2);
  return Number(/","([\d.]+)"/.exec(row ?? "")?.[1]);
}
