/**
 * Opens the stores that a command needs, and the engine over them. The clients are loaded only here, so that a command
 * that needs no store starts without them.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import type { Fleet } from "../../engine/fleet.ts";
import type { StoreName } from "../../engine/migration.ts";
import { SettingsError, UsageError } from "../errors.ts";
import type { Host } from "../host.ts";
import type { Settings } from "../settings/table.ts";
import { VERSION } from "../version.ts";
import { httpAddress } from "./clickhouse_address.ts";
import { configuredStores } from "./configured.ts";

/** Which stores a command works on. */
export interface StoreNeeds {
  /** `both` narrows to one side with `--sql-only` and `--redis-only`; `sql` and `redis` need that side alone. */
  readonly sides: "both" | "sql" | "redis";
}

/** An engine with the clients it works on. Disposing closes them. */
export interface OpenEngine extends AsyncDisposable {
  readonly engine: Engine;
}

/**
 * Decides which stores a command opens: every one that is configured, unless its side was left out.
 *
 * @throws {UsageError} When the command needs the side that was left out.
 * @throws {SettingsError} When no SQL store is configured and that side is wanted: a store that is passed over in silence
 * would be reported as up to date without anybody having looked.
 */
export function chooseStores(settings: Settings, { sides }: StoreNeeds): ReadonlySet<StoreName> {
  const { only } = settings;
  if (sides === "sql" && only === "redis") {
    throw new UsageError("This command works on the SQL side, which --redis-only leaves out", {
      hint: "Leave --redis-only away, and MIGRATE_ONLY where that says it",
    });
  }
  const redis = only !== "sql";
  // Clearing a dead lock must work without a database; where there is no Redis side, the database is all there is.
  const sql = sides === "redis" ? !redis : only !== "redis";
  const stores = sql ? configuredStores(settings) : [];
  if (sql && stores.length === 0) {
    throw new SettingsError(["No SQL store is configured"], {
      hint: sides === "sql"
        ? "Set POSTGRES_URL (or postgres in the file, or --postgres-url), or CLICKHOUSE_ADDR"
        : "Set POSTGRES_URL (or postgres in the file, or --postgres-url), or CLICKHOUSE_ADDR; or pass --redis-only to " +
          "work on Redis alone",
    });
  }
  return new Set([...stores, ...(redis ? ["redis" as const] : [])]);
}

/** What an engine is made of. */
interface Parts {
  readonly settings: Settings;
  readonly host: Pick<Host, "owner">;
}

/** Opens what is needed. Nothing is contacted before the engine is asked something. */
export async function openEngine(parts: Parts, needs: Partial<StoreNeeds>): Promise<OpenEngine> {
  const { settings } = parts;
  await using stack = new AsyncDisposableStack();
  const clients = await openClients(
    settings,
    chooseStores(settings, { sides: needs.sides ?? "both" }),
    stack,
  );
  const { createOutpostEngine } = await import("../../migrations/mod.ts");
  const engine = createOutpostEngine({
    ...clients,
    ...optionsOf(parts),
    deploymentId: settings.deploymentId,
  });
  const owned = stack.move();
  return { engine, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A fleet with the clients it works on. Disposing closes them. */
export interface OpenFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  /** Deployments that were found and are no part of it, with what is wrong with their IDs. */
  readonly leftOut: readonly string[];
}

/**
 * The same for several deployments. All are looked for in Redis, where it is left to that which there are.
 *
 * @throws {UsageError} When Redis, which alone could tell, is left out.
 */
export async function openFleet(parts: Parts, signal: AbortSignal): Promise<OpenFleet> {
  const { settings } = parts;
  const stores = chooseStores(settings, { sides: "both" });
  if (settings.allDeployments && !stores.has("redis")) {
    throw new UsageError("Redis tells which deployments there are, and --sql-only leaves it out", {
      hint: "Name them: --deployment-id ID, once for each",
    });
  }
  await using stack = new AsyncDisposableStack();
  const clients = await openClients(settings, stores, stack);
  const { createOutpostFleet, findOutpostDeployments } = await import("../../migrations/mod.ts");
  const leftOut: string[] = [];
  const onRefused = (name: string, why: string) => void leftOut.push(`${name}: its ID ${why}`);
  const deploymentIds = settings.allDeployments
    ? await findOutpostDeployments(clients.redis!, { signal, onRefused })
    : settings.deploymentId.split(",");
  const fleet = createOutpostFleet({ ...clients, ...optionsOf(parts), deploymentIds });
  const owned = stack.move();
  return { fleet, leftOut, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function openClients(settings: Settings, stores: ReadonlySet<StoreName>, stack: AsyncDisposableStack) {
  return {
    postgres: stores.has("postgres") ? await openPostgres(settings, stack) : undefined,
    clickhouse: stores.has("clickhouse") ? await openClickHouse(settings, stack) : undefined,
    redis: stores.has("redis") ? await openRedis(settings, stack) : undefined,
  };
}

function optionsOf({ settings, host }: Parts) {
  return {
    version: VERSION,
    owner: host.owner,
    lockTtlMs: settings.lockTtlMs,
    postgresSettings: {
      lockTimeoutMs: settings.lockTimeoutMs,
      lockRetries: settings.lockRetries,
      statementTimeoutMs: settings.statementTimeoutMs,
    },
  };
}

async function openPostgres(settings: Settings, stack: AsyncDisposableStack) {
  const { connectPostgres } = await import("./postgres/client.ts");
  const client = connectPostgres(settings.postgresUrl!);
  stack.defer(() => client.end({ timeout: 1 }));
  return client;
}

async function openClickHouse(settings: Settings, stack: AsyncDisposableStack) {
  const { clickhouseIdentity, connectClickHouse } = await import("./clickhouse.ts");
  const address = {
    addr: settings.clickhouseHttpAddr ?? httpAddress(settings.clickhouseAddr!),
    username: settings.clickhouseUsername,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
    tls: settings.clickhouseTls,
  };
  const client = connectClickHouse(address);
  stack.defer(() => client.close());
  const cluster = settings.clickhouseCluster;
  return { client, identity: clickhouseIdentity(address), ...(cluster === "" ? {} : { cluster }) };
}

async function openRedis(settings: Settings, stack: AsyncDisposableStack) {
  const { connectRedis } = await import("./redis.ts");
  const client = connectRedis({
    host: settings.redisHost,
    port: settings.redisPort,
    username: settings.redisUsername,
    password: settings.redisPassword,
    database: settings.redisDatabase,
    cluster: settings.redisCluster,
    tls: settings.redisTls,
    tlsCa: settings.redisTlsCa,
    tlsInsecure: settings.redisTlsInsecure,
    clusterHostOverride: settings.redisClusterHostOverride,
  });
  stack.defer(() => client.disconnect());
  return client;
}
