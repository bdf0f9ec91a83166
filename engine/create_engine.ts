/**
 * Puts an engine together from a registry, the names that an application uses, and clients that the caller owns.
 *
 * @module
 */

import type { Sql } from "postgres";
import { checkOptions, checkPart } from "./check_options.ts";
import type { SqlBackend } from "./sql_backend.ts";
import { createClickHouseBackend } from "./clickhouse/backend.ts";
import type { ClickHouseTables } from "./clickhouse/bookkeeping.ts";
import type { ClickHouseClient } from "./clickhouse/client.ts";
import { Engine } from "./engine.ts";
import { RegistryError } from "./errors.ts";
import { LEASE_MS, type LockCompany } from "./lock/lock_settings.ts";
import type { RedisLockNames } from "./lock/lock.ts";
import { createPostgresBackend } from "./postgres/backend.ts";
import { admitPostgres } from "./postgres/client.ts";
import type { PostgresNames } from "./postgres/options.ts";
import { createRedisBackend } from "./redis/backend.ts";
import type { RedisLayout } from "./redis/layout.ts";
import { keepOffOwn } from "./redis/own_keys.ts";
import { admitClient, type RedisClient } from "./redis/client.ts";
import { RedisStore } from "./redis/store.ts";
import type { SqlStoreName } from "./migration.ts";
import { createRegistry, type Registry } from "./registry.ts";

/** What an application calls its bookkeeping and its locks. */
export interface Names {
  /** Name of the program, without spaces: what its connections are called. */
  readonly tool: string;
  /** Tables and advisory lock in Postgres; needed for an engine that is given one. */
  readonly postgres?: PostgresNames | undefined;
  /** Tables in ClickHouse, and what stands before the name of each table of the application; empty for nothing. */
  readonly clickhouse?: ClickHouseTables & { readonly prefix: string } | undefined;
  /** Keys of the bookkeeping in Redis; needed for an engine that is given one. */
  readonly redis?: RedisLayout | undefined;
  /** Keys of the lock in Redis. Without Redis the lock is the advisory lock of Postgres alone. */
  readonly lock: RedisLockNames;
}

/** A Postgres to migrate. */
export interface PostgresStore {
  /** Owned by the caller. Writing opens one connection more with the same settings, and closes it. */
  readonly client: Sql;
  /** How long a statement may wait for a lock, in milliseconds. @default {1000} */
  readonly lockTimeoutMs?: number | undefined;
  /** How often a step is tried again after that. @default {10} */
  readonly lockRetries?: number | undefined;
  /** How long a statement may take, in milliseconds; 0 for as long as it needs. @default {0} */
  readonly statementTimeoutMs?: number | undefined;
}

/** A ClickHouse to migrate. */
export interface ClickHouseStore {
  /** Owned by the caller. */
  readonly client: ClickHouseClient;
  /** What tells this database from another, without secrets: host and database. */
  readonly identity: string;
  /** The cluster, as `system.clusters` names it, whose servers are replicas of one another. @default {undefined} */
  readonly cluster?: string | undefined;
}

/** What {@linkcode createEngine} needs. A store that is left out is not contacted. */
export interface CreateEngineOptions {
  /** What {@linkcode createRegistry} checked. */
  readonly registry: Registry;
  /** Fixed for the life of an application: under other names everything would look pending again. */
  readonly names: Names;
  /** Left out, no SQL step is read, planned or applied. */
  readonly postgres?: PostgresStore | undefined;
  /** Left out, its steps are not looked at. It has no locks: give the engine a Redis beside it. */
  readonly clickhouse?: ClickHouseStore | undefined;
  /** Owned by the caller. The heartbeat of the lock runs on a connection of its own, a duplicate that is closed again. */
  readonly redis?: RedisClient | undefined;
  /** Tells this deployment from others, in saved plans and outputs. @default {""} */
  readonly deployment?: string | undefined;
  /** Version of the program that migrates, written into history and locks. */
  readonly version: string;
  /** Who migrates, for others to see. */
  readonly owner: { readonly host: string; readonly pid: number; readonly user?: string | undefined };
  /** Length of the lease in milliseconds: a dead holder frees the lock within this time. @default {30000} */
  readonly lockTtlMs?: number | undefined;
}

/**
 * Creates an engine. Nothing is contacted before a method is called.
 *
 * @param options The migrations, the names, and the clients of the stores to work on.
 * @returns An engine that neither opens nor closes the clients that it was given.
 * @throws {RegistryError} When a store is given without its steps or names, when {@linkcode createRegistry} would refuse these, and when
 * two of the names in Redis are the same.
 * @throws {RefusedError} When something lacks or is of a wrong kind. When a client has an option that changes keys, commands or replies, or reads from replicas, and
 * when the Redis client is not one of ioredis.
 * @example An application with Redis alone
 * ```ts
 * import { createEngine, createRegistry, type RedisClient, type RedisMigration } from "@outpost/migrate";
 *
 * export const engineOf = (redis: RedisClient, migrations: readonly RedisMigration[]) =>
 *   createEngine({
 *     registry: createRegistry({ redis: migrations }),
 *     names: {
 *       tool: "shop",
 *       redis: {
 *         deployment: "",
 *         stateKey: (name) => `shop:migration:${name}`,
 *         olderStates: () => [],
 *         donePhases: [],
 *         usedPrefixes: ["shop:"],
 *         isIgnored: (key) => key.startsWith("shop:lock") || key.startsWith("shop:fence"),
 *       },
 *       lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
 *     },
 *     redis,
 *     version: "1.0.0",
 *     owner: { host: "shop-1", pid: Deno.pid },
 *   });
 * ```
 */
export function createEngine(options: CreateEngineOptions): Engine {
  checkPart("engine", options);
  return engineOver(options, options.redis === undefined ? null : storeOver(options.redis), undefined);
}

/** A store over a client of the caller. @throws {RefusedError} As {@linkcode createEngine} says. */
export function storeOver(client: RedisClient): RedisStore {
  return new RedisStore(admitClient(client));
}

/** The same over a store that others work on too. @param beside Whom its lock is taken beside. */
export function engineOver(
  options: CreateEngineOptions,
  redis: RedisStore | null,
  beside: LockCompany | undefined,
): Engine {
  checkPart("engine", options);
  const { names, owner, version } = options;
  checkPart("owner", owner);
  checkPart("names", names);
  checkPart("names.lock", names.lock);
  if (redis !== null && names.redis !== undefined) checkPart("names.redis", names.redis);
  const registry = createRegistry(options.registry); // Whoever made it by himself learns now what is wrong with it.
  checkOptions({ lockTtlMs: options.lockTtlMs });
  const sql = new Map<SqlStoreName, SqlBackend>();
  if (options.postgres !== undefined) sql.set("postgres", postgresBackend(options, options.postgres));
  if (options.clickhouse !== undefined) sql.set("clickhouse", clickhouseBackend(options, options.clickhouse));
  return new Engine({
    sql,
    redis: redis === null ? null : createRedisBackend({
      store: redis,
      migrations: keepOffOwn(
        given(registry.redis, "Redis migrations"),
        given(names.redis, "names for Redis"),
        names.lock,
      ),
      layout: given(names.redis, "names for Redis"),
    }),
    lock: {
      redis: redis === null ? null : { client: redis.client, names: names.lock },
      owner: { host: owner.host, pid: owner.pid },
      ttlMs: options.lockTtlMs,
      beside,
    },
    deployment: options.deployment ?? "",
    version,
  });
}

function postgresBackend(options: CreateEngineOptions, store: PostgresStore): SqlBackend {
  checkOptions(store);
  checkPart("names.postgres", given(options.names.postgres, "names for Postgres"));
  return createPostgresBackend({
    ...given(options.registry.postgres, "Postgres steps"),
    sql: admitPostgres(store.client),
    names: given(options.names.postgres, "names for Postgres"),
    tool: { name: options.names.tool, version: options.version, who: whoOf(options) },
    lease: { lockName: options.names.lock.lock, ttlMs: options.lockTtlMs ?? LEASE_MS },
    ...(store.lockTimeoutMs === undefined ? {} : { lockTimeoutMs: store.lockTimeoutMs }),
    ...(store.lockRetries === undefined ? {} : { lockRetries: store.lockRetries }),
    ...(store.statementTimeoutMs === undefined ? {} : { statementTimeoutMs: store.statementTimeoutMs }),
  });
}

function clickhouseBackend(options: CreateEngineOptions, store: ClickHouseStore): SqlBackend {
  checkPart("clickhouse", store);
  checkPart("names.clickhouse", given(options.names.clickhouse, "names for ClickHouse"));
  const { prefix, ...tables } = given(options.names.clickhouse, "names for ClickHouse");
  return createClickHouseBackend({
    ...given(options.registry.clickhouse, "ClickHouse steps"),
    client: store.client,
    identity: store.identity,
    cluster: store.cluster ?? null,
    tables,
    prefix,
    recorder: { who: whoOf(options), toolVersion: options.version },
  });
}

function whoOf({ owner: { user, host } }: CreateEngineOptions): string {
  return user === undefined ? host : `${user}@${host}`;
}

function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new RegistryError(`Cannot create the engine: it has no ${what}`);
  return value;
}
