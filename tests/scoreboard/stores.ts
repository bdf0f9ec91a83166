/**
 * What the proofs of the scoreboard work on: a Redis and a Postgres that a chapter shares, empty or old for each failure.
 *
 * @module
 */

import type { Redis } from "ioredis";
import type postgres from "postgres";
import { parseObjects } from "../torture/answer.ts";
import { type CliOptions, type CliResult, runInProcess } from "../support/cli.ts";
import type { Decide } from "../support/faults/fault.ts";
import { type FaultProxy, startFaultProxy } from "../support/faults/fault_proxy.ts";
import { OldLogs } from "../faults/old_log.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";

/** What a command answered. */
export interface Answered extends CliResult {
  /** The last object that it printed as JSON. */
  // deno-lint-ignore no-explicit-any -- The shape is what each proof looks at.
  readonly json: any;
}

/** Both stores, for one failure. */
export interface Deployment {
  readonly client: Redis;
  readonly sql: postgres.Sql;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command. @param line Words after `outpost`. */
  outpost(line: string, options?: CliOptions): Promise<Answered>;
}

/** The servers of a chapter. */
export class Stores implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly #proxy: FaultProxy;
  readonly #postgresProxy: FaultProxy;
  readonly #logs: OldLogs;
  readonly #stack: AsyncDisposableStack;
  readonly #client: Redis;

  private constructor(
    stack: AsyncDisposableStack,
    servers: { readonly redis: RedisServer; readonly postgres: PostgresServer; readonly logs: OldLogs },
  ) {
    this.#stack = stack;
    this.redis = servers.redis;
    this.postgres = servers.postgres;
    this.#logs = servers.logs;
    this.#client = servers.redis.client();
    this.#proxy = stack.use(
      startFaultProxy({ protocol: "redis", target: this.redis.port, decide: () => null }),
    );
    this.#postgresProxy = stack.use(
      startFaultProxy({ protocol: "postgres", target: this.postgres.port, decide: () => null }),
    );
  }

  /** Starts them. */
  static async start(): Promise<Stores> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await startRedis());
    const postgres = stack.use(await startPostgres());
    const logs = stack.use(await OldLogs.prepare(postgres));
    return new Stores(stack.move(), { redis, postgres, logs });
  }

  /** An empty Redis, and the log of an old Outpost at version 4, or an empty database. */
  async deployment(log: "old" | "empty" = "old"): Promise<Deployment> {
    await this.#client.flushall();
    this.#proxy.decide = this.#postgresProxy.decide = () => null;
    const url = log === "empty"
      ? await this.postgres.createDatabase()
      : `postgres://postgres@127.0.0.1:${this.postgres.port}/${await this.#logs.create()}`;
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(this.redis.port), POSTGRES_URL: url };
    return {
      client: this.#client,
      sql: this.postgres.client(url, { max: 2 }),
      url,
      env,
      outpost: (line, options = {}) => outpost(line, { ...options, env: { ...env, ...options.env } }),
    };
  }

  /** Environment that leads to the Redis through a proxy. @param decide What becomes of each command. */
  through(decide: Decide): Record<string, string> {
    const first = this.#proxy.commands;
    this.#proxy.decide = (command) => decide({ ...command, index: command.index - first });
    return { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(this.#proxy.port) };
  }

  /** The same for a database. @param url Where it is without one. */
  throughPostgres(url: string, decide: Decide): Record<string, string> {
    this.#postgresProxy.decide = decide;
    return { POSTGRES_URL: url.replace(`:${this.postgres.port}/`, `:${this.#postgresProxy.port}/`) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Runs a command, and reads what it says. @param line Words after `outpost`. */
export async function outpost(line: string, options: CliOptions): Promise<Answered> {
  const result = await runInProcess(line.split(" "), options);
  return { ...result, json: parseObjects(result.stdout).at(-1) };
}
