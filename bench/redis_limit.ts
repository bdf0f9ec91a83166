/**
 * What a Redis can do at most: the plain commands, pipelined by redis-benchmark, that no way of doing the work avoids, once a record.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import { findProgram } from "../tests/support/server.ts";

/** What a record takes, in microseconds. */
export interface Cost {
  /** Time until it was done. */
  readonly us: number;
  /** Time that the server's processor was at work. */
  readonly serverUs: number;
}

/** What the server can do in this minute. */
export interface Limit {
  /** By command. */
  readonly costs: Readonly<Record<Command, Cost>>;
  /** The longest that one of these commands took on the server, in milliseconds: what the machine's noise alone makes. */
  readonly slowestMs: number;
}

const REQUESTS = 100_000;
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

/** The commands that the work is made of. */
const COMMANDS = {
  scan: ["SCAN", "__rand_int__", "COUNT", "100"],
  read: ["HMGET", KEY, "id", "deleted_at", "created_at", "updated_at", "entity"],
  readWhole: ["HGETALL", KEY],
  exists: ["EXISTS", KEY],
  copy: ["COPY", KEY, "copy:__rand_int__", "REPLACE"],
  write: ["HSET", KEY, ...TIMES, "entity", "destination"],
  unlink: ["UNLINK", "copy:__rand_int__"],
} as const;
/** Keys that one SCAN tells. */
const SCANNED = 100;

/** A command that the work is made of; `scan` is a hundredth of one: one key of it. */
export type Command = keyof typeof COMMANDS;

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

  /** Measures each command. */
  async measure(): Promise<Limit> {
    await watchSlowCommands(this.#client);
    const costs: Partial<Record<Command, Cost>> = {};
    for (const [name, command] of Object.entries(COMMANDS) as [Command, readonly string[]][]) {
      const requests = name === "scan" ? REQUESTS / SCANNED : REQUESTS;
      const busyBefore = await serverCpuMs(this.#client);
      const us = await this.#run(requests, command);
      const busyMs = await serverCpuMs(this.#client) - busyBefore;
      const each = name === "scan" ? SCANNED : 1;
      costs[name] = { us: us / each, serverUs: (busyMs * 1000) / requests / each };
    }
    return {
      costs: costs as Record<Command, Cost>,
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

/** The mean of two limits. */
export function meanLimit(one: Limit, other: Limit): Limit {
  const names = Object.keys(one.costs) as Command[];
  const mean = (name: Command): Cost => ({
    us: (one.costs[name].us + other.costs[name].us) / 2,
    serverUs: (one.costs[name].serverUs + other.costs[name].serverUs) / 2,
  });
  return {
    costs: Object.fromEntries(names.map((name) => [name, mean(name)])) as Record<Command, Cost>,
    slowestMs: Math.max(one.slowestMs, other.slowestMs),
  };
}

/** What some commands take together, each as often as is said. */
export function costOf({ costs }: Limit, commands: Partial<Record<Command, number>>): Cost {
  let [us, serverUs] = [0, 0];
  for (const [name, count] of Object.entries(commands) as [Command, number][]) {
    us += costs[name].us * count;
    serverUs += costs[name].serverUs * count;
  }
  return { us, serverUs };
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
