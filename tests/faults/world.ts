/**
 * The stores of the fault runs, each behind a proxy, and what they look like when everything is done.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { type FaultProxy, startFaultProxy } from "../support/faults/fault_proxy.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { OldLogs } from "./old_log.ts";
import { fillOldRedis, readLive, recordsOf, writeLive } from "./old_redis.ts";

/** A store that a run may use. */
export type StoreName = "redis" | "postgres";

/** Both stores. */
export class World implements AsyncDisposable {
  readonly redis: FaultProxy;
  readonly postgres: FaultProxy;
  readonly client: Redis;
  /** The program's way to report what nothing waited for, while it runs. */
  onUncaught: ((error: unknown) => void) | null = null;
  readonly #stack: AsyncDisposableStack;
  readonly #server: PostgresServer;
  readonly #redisPort: number;
  readonly #logs: OldLogs;
  #log = "";

  private constructor(
    stack: AsyncDisposableStack,
    servers: { readonly redis: RedisServer; readonly postgres: PostgresServer; readonly logs: OldLogs },
  ) {
    const pass = () => null;
    this.#stack = stack;
    this.#catchAll();
    this.redis = stack.use(startFaultProxy({ protocol: "redis", target: servers.redis.port, decide: pass }));
    this.postgres = stack.use(
      startFaultProxy({ protocol: "postgres", target: servers.postgres.port, decide: pass }),
    );
    this.client = servers.redis.client();
    this.#server = servers.postgres;
    this.#redisPort = servers.redis.port;
    this.#logs = servers.logs;
  }

  /** Starts the servers. */
  static async start(): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await startRedis());
    const postgres = stack.use(await startPostgres());
    const logs = stack.use(await OldLogs.prepare(postgres));
    return new World(stack.move(), { redis, postgres, logs });
  }

  /** Hands what nothing waited for to the program, as `main.ts` does. Once a run is over, its process would be too. */
  #catchAll(): void {
    const listeners = new AbortController();
    this.#stack.defer(() => listeners.abort());
    addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      this.onUncaught?.(event.reason);
    }, listeners);
    addEventListener("error", (event) => {
      event.preventDefault();
      this.onUncaught?.(event.error);
    }, listeners);
  }

  /** Makes both stores those of an old Outpost, and counts commands from 0 again. */
  async reset(stores: readonly StoreName[]): Promise<void> {
    this.calm();
    if (stores.includes("redis")) await fillOldRedis(this.client, [this.client]);
    if (stores.includes("postgres")) {
      if (this.#log !== "") await this.#logs.drop(this.#log);
      this.#log = await this.#logs.create();
    }
  }

  /** Ends all faults. */
  calm(): void {
    this.redis.decide = this.postgres.decide = () => null;
  }

  /** Environment that leads to the stores, through the proxies or past them. */
  env(stores: readonly StoreName[], way: "faulty" | "plain"): Record<string, string> {
    const port = (store: StoreName) =>
      way === "faulty" ? this[store].port : store === "redis" ? this.#redisPort : this.#server.port;
    return {
      ...(stores.includes("redis") ? { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port("redis")) } : {}),
      ...(stores.includes("postgres")
        ? { POSTGRES_URL: `postgres://postgres@127.0.0.1:${port("postgres")}/${this.#log}` }
        : {}),
    };
  }

  /** Everything that the stores keep, but what differs from run to run. */
  async contents(stores: readonly StoreName[]): Promise<Map<string, string>> {
    return new Map([
      ...(stores.includes("redis") ? await recordsOf(this.client) : []),
      ...(stores.includes("postgres") ? await this.#logs.rowsOf(this.#log) : []),
    ]);
  }

  /** Lets the application write. */
  writeLive(value: number): Promise<void> {
    return writeLive(this.client, value);
  }

  /** What the application finds of its last write. */
  readLive(): Promise<number | null> {
    return readLive(this.client);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
