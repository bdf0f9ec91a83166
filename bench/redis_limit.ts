/**
 * What a Redis can do at most: one read and one write of a destination's record, pipelined, by redis-benchmark.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import { findProgram } from "../tests/support/server.ts";

/** What the server needed for one record that is read once and written once. */
export interface Limit {
  /** Time until it was done, in microseconds. */
  readonly us: number;
  /** Time that the server's processor was at work, in microseconds. */
  readonly serverUs: number;
  /** The longest that one of these commands took on the server, in milliseconds: what the machine's noise alone makes. */
  readonly slowestMs: number;
}

const REQUESTS = 200_000;
/** A database beside the one that is migrated, so that its keys stay out of every walk. */
const DATABASE = "1";
const KEY = "limit:__rand_int__";
const TIMES = ["created_at", "1705289400123", "updated_at", "1705289400123"];
const RECORD = [
  ...["id", "des_1234_5", "type", "webhook", "topics", '["user.created","user.deleted"]'],
  ...["config", '{"url":"https://example.com/hooks/des_1234_5"}'],
  ...["credentials", Buffer.alloc(48, "x").toString()],
  ...TIMES,
];

/** Measures one server again and again: what it can do changes with the minute. */
export class LimitMeter {
  readonly #client: Redis;
  readonly #port: number;
  readonly #records: number;

  private constructor(client: Redis, port: number, records: number) {
    this.#client = client;
    this.#port = port;
    this.#records = records;
  }

  /** @param records How many to read and write at random: as many as are migrated, for memory is slower than caches. */
  static async create(client: Redis, port: number, records: number): Promise<LimitMeter> {
    const meter = new LimitMeter(client, port, records);
    await meter.#run(records * 3, ["HSET", KEY, ...RECORD]);
    return meter;
  }

  /** Reads records whole, and writes the two fields that 002 writes. */
  async measure(): Promise<Limit> {
    await watchSlowCommands(this.#client);
    const busyBefore = await serverCpuMs(this.#client);
    const read = await this.#run(REQUESTS, ["HGETALL", KEY]);
    const written = await this.#run(REQUESTS, ["HSET", KEY, ...TIMES]);
    const busyMs = await serverCpuMs(this.#client) - busyBefore;
    return {
      us: read + written,
      serverUs: (busyMs * 1000) / REQUESTS,
      slowestMs: (await slowestCommand(this.#client)).ms,
    };
  }

  /** @returns Microseconds of each request. */
  async #run(requests: number, command: readonly string[]): Promise<number> {
    const { stdout } = await new Deno.Command(findProgram("redis-benchmark", "redis-tools"), {
      args: [
        ...["-p", String(this.#port), "--dbnum", DATABASE],
        ...["-n", String(requests), "-r", String(this.#records)],
        ...["-P", "100", "-c", "4", "--csv", ...command],
      ],
      stdout: "piped",
      stderr: "null",
    }).output();
    const [, row] = new TextDecoder().decode(stdout).trim().split("\n").slice(-2);
    return 1e6 / Number(/","([\d.]+)"/.exec(row ?? "")?.[1]);
  }
}

/** Processor time that a server has used so far, in milliseconds. */
export async function serverCpuMs(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const seconds = (name: string) => Number(new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1]);
  return 1000 * (seconds("used_cpu_sys") + seconds("used_cpu_user"));
}

/** Commands from a millisecond on are noted by the server, from now on. */
export async function watchSlowCommands(client: Redis): Promise<void> {
  await client.config("SET", "slowlog-log-slower-than", "1000");
  await client.config("SET", "slowlog-max-len", "20000");
  await client.call("SLOWLOG", "RESET");
}

/** The slowest command since {@linkcode watchSlowCommands}. */
export async function slowestCommand(
  client: Redis,
): Promise<{ readonly ms: number; readonly command: string }> {
  const slow = (await client.call("SLOWLOG", "GET", "20000") as [number, number, number, string[]][])
    .sort((one, other) => other[2] - one[2])[0];
  return { ms: (slow?.[2] ?? 1000) / 1000, command: slow?.[3].slice(0, 2).join(" ") ?? "none above 1 ms" };
}
