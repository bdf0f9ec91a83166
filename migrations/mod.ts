/**
 * Outpost's own registry: its migrations, what its bookkeeping and locks are called, and an engine over both.
 *
 * @module
 */

import type { Sql } from "postgres";
import {
  type ClickHouseStore,
  createEngine,
  type CreateEngineOptions,
  type Names,
  type PostgresStore,
} from "../engine/create_engine.ts";
import { checkOptions, shown } from "../engine/check_options.ts";
import type { Engine } from "../engine/engine.ts";
import { RefusedError } from "../engine/errors.ts";
import { createFleet, type Fleet } from "../engine/fleet.ts";
import { golangMigrateLockKey } from "../engine/postgres/lock.ts";
import type { RedisClient } from "../engine/redis/client.ts";
import { createRegistry, type Registry } from "../engine/registry.ts";
import { deploymentIdFault } from "./deployment_id.ts";
import { redisMigrations } from "./redis.ts";
import { deploymentPrefix, redisLayout } from "./redis_layout.ts";
import { clickhouseSchemas, clickhouseSteps, clickhouseStepsDirectory } from "./sql/clickhouse.ts";
import { postgresSchemas, postgresSteps, postgresStepsDirectory } from "./sql/postgres.ts";

export { findOutpostDeployments } from "./find_deployments.ts";

const BOOKKEEPING = "schema_migrations";
const HISTORY = "outpost_migrations";

/** Every migration of Outpost. @param deploymentId Empty for none; some Redis migrations depend on it. */
export function outpostRegistry(deploymentId: string): Registry {
  return createRegistry({
    postgres: { steps: postgresSteps, directory: postgresStepsDirectory, schemas: postgresSchemas },
    clickhouse: { steps: clickhouseSteps, directory: clickhouseStepsDirectory, schemas: clickhouseSchemas },
    redis: redisMigrations(deploymentId),
  });
}

/** What Outpost calls its bookkeeping and its locks, those of released versions included. */
export function outpostNames(deploymentId: string): Names {
  const prefix = deploymentPrefix(deploymentId);
  const tablePrefix = deploymentId === "" ? "" : `${deploymentId}_`;
  return {
    tool: "outpost",
    postgres: {
      bookkeepingTable: BOOKKEEPING,
      historyTable: HISTORY,
      lockKey: (schema, database) => golangMigrateLockKey(schema, BOOKKEEPING, database),
    },
    clickhouse: {
      bookkeeping: `${tablePrefix}${BOOKKEEPING}`,
      history: `${tablePrefix}${HISTORY}`,
      prefix: tablePrefix,
    },
    redis: redisLayout(deploymentId),
    lock: {
      lock: `${prefix}outpost:migration:lock`,
      older: [
        `${prefix}.outpost:migration_lock`,
        ...prefix === "" ? [] : [`${prefix}.outpost:migration:lock`],
      ],
      // Before v0.14 the lock had no prefix, whatever the deployment ID.
      shared: [".outpost:migration:lock"],
      fence: `${prefix}outpost:migration:fence`,
    },
  };
}

/** What {@linkcode createOutpostEngine} needs. Clients are owned by the caller; a store left out is not contacted. */
export interface OutpostEngineOptions {
  /** A client of postgres.js. Writing opens one connection more with its settings, and closes it. */
  readonly postgres?: Sql | undefined;
  /** Left out, its steps are not looked at. It has no locks: give the engine a Redis beside it. */
  readonly clickhouse?: ClickHouseStore | undefined;
  /** A `Redis` or `Cluster` of ioredis. The heartbeat of the lock runs on a duplicate, which is closed again. */
  readonly redis?: RedisClient | undefined;
  /** What the deployment's keys begin with, and its tables in ClickHouse; empty for none. @default {""} */
  readonly deploymentId?: string | undefined;
  /** Version of the program that migrates. */
  readonly version: string;
  /** Who migrates, for others to see. */
  readonly owner: { readonly host: string; readonly pid: number; readonly user?: string | undefined };
  /** Length of the lease in milliseconds. @default {30000} */
  readonly lockTtlMs?: number | undefined;
  /** How long a statement waits for a lock in Postgres, how often a step is tried again, how long it may take. */
  readonly postgresSettings?: Omit<PostgresStore, "client"> | undefined;
}

/**
 * Creates an engine over the stores of an Outpost deployment. Nothing is contacted before a method is called.
 *
 * @param options The clients, and who migrates.
 * @returns An engine that neither opens nor closes the clients that it was given.
 * @throws {RefusedError} When the deployment ID is none, or one whose keys another installation could take for its own. When a
 * client has an option that changes keys, commands or replies, or reads from replicas, and when the Redis client is not one
 * of ioredis.
 * @example An application's own start
 * ```ts
 * import { createOutpostEngine } from "@outpost/migrate";
 * import { Redis } from "ioredis";
 * import postgres from "postgres";
 *
 * const engine = createOutpostEngine({
 *   postgres: postgres("postgres://outpost@db/outpost"),
 *   redis: new Redis("redis://redis:6379"),
 *   version: "1.0.0",
 *   owner: { host: "pod-1", pid: Deno.pid },
 * });
 * await engine.assertCurrent(); // Throws PendingError while anything is pending.
 * ```
 */
export function createOutpostEngine(options: OutpostEngineOptions): Engine {
  return createEngine(engineOptions(options));
}

function engineOptions(options: OutpostEngineOptions): CreateEngineOptions {
  checkOptions(options);
  const { postgres, deploymentId = "", postgresSettings, ...rest } = options;
  const fault = deploymentIdFault(deploymentId);
  if (fault !== null) throw new RefusedError(`Cannot work on this deployment: its ID ${fault}`);
  return {
    ...rest,
    deployment: deploymentId,
    registry: outpostRegistry(deploymentId),
    names: outpostNames(deploymentId),
    postgres: postgres === undefined ? undefined : { client: postgres, ...postgresSettings },
  };
}

/** What {@linkcode createOutpostFleet} needs. */
export interface OutpostFleetOptions extends Omit<OutpostEngineOptions, "deploymentId"> {
  /** The deployments; an empty ID for the installation without one. {@linkcode findOutpostDeployments} finds all. */
  readonly deploymentIds: readonly string[];
}

/**
 * Creates a fleet over several Outpost deployments in one Redis. Tables in ClickHouse bear the ID of their deployment, and each
 * deployment migrates its own; those in Postgres bear none: they are all deployments', and the fleet's `shared` engine migrates them.
 *
 * @param options The clients, the deployments, and who migrates.
 * @returns A fleet that neither opens nor closes the clients that it was given.
 * @throws {RefusedError} As {@linkcode createOutpostEngine} does.
 * @throws {RegistryError} When a deployment is named twice.
 * @example Every deployment that a Redis holds
 * ```ts
 * import { createOutpostFleet, findOutpostDeployments } from "@outpost/migrate";
 * import { Redis } from "ioredis";
 *
 * const redis = new Redis("redis://redis:6379");
 * const fleet = createOutpostFleet({
 *   deploymentIds: await findOutpostDeployments(redis),
 *   redis,
 *   version: "1.0.0",
 *   owner: { host: "pod-1", pid: Deno.pid },
 * });
 * for (const outcome of await fleet.each((engine) => engine.apply())) {
 *   if (!outcome.ok) console.error(outcome.deployment, outcome.error);
 * }
 * ```
 */
export function createOutpostFleet(options: OutpostFleetOptions): Fleet {
  checkOptions(options);
  const { deploymentIds, postgres, clickhouse, redis, ...rest } = options;
  if (!Array.isArray(deploymentIds)) {
    throw new RefusedError(`Cannot create the fleet: its deploymentIds, ${shown(deploymentIds)}, is no list`);
  }
  return createFleet({
    shared: postgres === undefined ? undefined : engineOptions({ ...rest, postgres }),
    deployments: deploymentIds.map((deploymentId) =>
      engineOptions({ ...rest, clickhouse, redis, deploymentId })
    ),
  });
}
