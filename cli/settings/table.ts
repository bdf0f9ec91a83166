/**
 * Every setting there is: its name in a file, in the environment and on the command line, its kind and its default.
 *
 * Switches that confirm or override (`--yes`, `--force`, `--rerun`, `--skip-invalid`) are not here on purpose: consent
 * belongs to one run and must not lie in a file where the next run finds it.
 *
 * @module
 */

import { LEASE_MS, LOCK_WAIT_MS } from "../../engine/lock/lock_settings.ts";
import { deploymentIdFault } from "../../migrations/deployment_id.ts";
import { define, type SettingDefinition } from "./setting.ts";
import type { LogLevel } from "../output/log.ts";
import {
  choice,
  duration,
  flag,
  hostName,
  idList,
  integer,
  optionalChoice,
  optionalClickHouseAddress,
  optionalInteger,
  optionalPostgresUrl,
  optionalText,
  port,
  text,
} from "./types.ts";

const REDIS = "Redis",
  POSTGRES = "Postgres",
  CLICKHOUSE = "ClickHouse",
  PACE = "Lock and pace",
  OUTPUT = "Output";

/** All settings, by the name that the code uses. */
export const SETTINGS = {
  redisHost: define(["redis.host", "REDIS_HOST", "redis-host"], hostName, "redis", REDIS, "Host name"),
  redisPort: define(["redis.port", "REDIS_PORT", "redis-port"], port, 6379, REDIS, "Port"),
  redisUsername: define(
    ["redis.username", "REDIS_USERNAME", "redis-username"],
    text("NAME"),
    "",
    REDIS,
    "User, for servers with access lists",
  ),
  redisPassword: define(
    ["redis.password", "REDIS_PASSWORD", "redis-password"],
    text("PASSWORD"),
    "",
    REDIS,
    "Password; better set in the environment, where other users of the machine cannot see it",
    { secret: true },
  ),
  redisDatabase: define(
    ["redis.database", "REDIS_DATABASE", "redis-database"],
    integer("NUMBER", 0, 65535),
    0,
    REDIS,
    "Database number, ignored in cluster mode",
  ),
  redisCluster: define(
    ["redis.cluster_enabled", "REDIS_CLUSTER_ENABLED", "redis-cluster"],
    flag,
    false,
    REDIS,
    "The server is a cluster",
  ),
  redisTls: define(
    ["redis.tls_enabled", "REDIS_TLS_ENABLED", "redis-tls"],
    flag,
    false,
    REDIS,
    "Connect with TLS",
  ),
  redisTlsCa: define(
    ["redis.tls_ca", "REDIS_TLS_CA", "redis-tls-ca"],
    optionalText("FILE"),
    null,
    REDIS,
    "Certificates to trust, in PEM, instead of the system's",
  ),
  redisTlsInsecure: define(
    ["redis.tls_insecure", "REDIS_TLS_INSECURE", "redis-tls-insecure"],
    flag,
    false,
    REDIS,
    "Accept any certificate: anybody on the way can then read and change everything",
  ),
  redisClusterHostOverride: define(
    ["redis.dev_cluster_host_override", "REDIS_DEV_CLUSTER_HOST_OVERRIDE", null],
    flag,
    false,
    REDIS,
    "Reach the nodes that a cluster announces at the configured host",
  ),
  postgresUrl: define(
    ["postgres", "POSTGRES_URL", "postgres-url"],
    optionalPostgresUrl,
    null,
    POSTGRES,
    "Connection URL",
    { secret: true },
  ),
  lockTimeoutMs: define(
    ["migrate.lock_timeout", "MIGRATE_LOCK_TIMEOUT", "lock-timeout"],
    duration(0),
    1000,
    POSTGRES,
    "How long a step may queue for a table lock before it steps back and tries again",
    { takenBy: "steps" },
  ),
  lockRetries: define(
    ["migrate.lock_retries", "MIGRATE_LOCK_RETRIES", "lock-retries"],
    integer("NUMBER", 0, 100_000),
    10,
    POSTGRES,
    "How often a step tries again after that",
    { takenBy: "steps" },
  ),
  statementTimeoutMs: define(
    ["migrate.statement_timeout", "MIGRATE_STATEMENT_TIMEOUT", "statement-timeout"],
    duration(0),
    0,
    POSTGRES,
    "How long one statement may run; 0 for no limit",
    { takenBy: "steps" },
  ),
  clickhouseAddr: define(
    ["clickhouse.addr", "CLICKHOUSE_ADDR", "clickhouse-addr"],
    optionalClickHouseAddress,
    null,
    CLICKHOUSE,
    "Address, as the server has it: ports 9000 and 9440 stand for those of the HTTP interface beside them, 8123 and 8443",
  ),
  clickhouseHttpAddr: define(
    ["clickhouse.http_addr", "CLICKHOUSE_HTTP_ADDR", "clickhouse-http-addr"],
    optionalClickHouseAddress,
    null,
    CLICKHOUSE,
    "Address of the HTTP interface, where that is elsewhere; the server goes on with the other one",
  ),
  clickhouseUsername: define(
    ["clickhouse.username", "CLICKHOUSE_USERNAME", "clickhouse-username"],
    text("NAME"),
    "",
    CLICKHOUSE,
    "User",
  ),
  clickhousePassword: define(
    ["clickhouse.password", "CLICKHOUSE_PASSWORD", "clickhouse-password"],
    text("PASSWORD"),
    "",
    CLICKHOUSE,
    "Password",
    { secret: true },
  ),
  clickhouseDatabase: define(
    ["clickhouse.database", "CLICKHOUSE_DATABASE", "clickhouse-database"],
    text("NAME"),
    "outpost",
    CLICKHOUSE,
    "Database",
  ),
  clickhouseTls: define(
    ["clickhouse.tls_enabled", "CLICKHOUSE_TLS_ENABLED", "clickhouse-tls"],
    flag,
    false,
    CLICKHOUSE,
    "Connect with TLS",
  ),
  clickhouseCluster: define(
    ["clickhouse.cluster", "CLICKHOUSE_CLUSTER", "clickhouse-cluster"],
    text("NAME"),
    "",
    CLICKHOUSE,
    "Cluster whose servers are replicas of one another; empty for one server",
  ),
  deploymentId: define(
    ["deployment_id", "DEPLOYMENT_ID", "deployment-id"],
    idList("ID", deploymentIdFault),
    "",
    "Scope",
    "The deployment whose records are meant, where several share the stores; where a command takes several: repeated, or with commas",
  ),
  allDeployments: define(
    ["migrate.all_deployments", "MIGRATE_ALL_DEPLOYMENTS", "all-deployments"],
    flag,
    false,
    "Scope",
    "Every deployment that the Redis holds, in one pass, each with its own state and lock",
  ),
  only: define(
    ["migrate.only", "MIGRATE_ONLY", null],
    optionalChoice<"sql" | "redis">(["sql", "redis"]),
    null,
    "Scope",
    "Leave the other side alone, as --sql-only and --redis-only do",
  ),
  connectWaitMs: define(
    ["migrate.connect_wait", "MIGRATE_CONNECT_WAIT", "connect-wait"],
    duration(0),
    0,
    PACE,
    "How long to wait for a store that does not answer, as where pods start together with their databases",
  ),
  lockWaitMs: define(
    ["migrate.lock_wait", "MIGRATE_LOCK_WAIT", "lock-wait"],
    duration(0),
    LOCK_WAIT_MS,
    PACE,
    "How long to wait for somebody else's lock; 0 fails at once",
    { takenBy: "lock" },
  ),
  lockTtlMs: define(
    ["migrate.lock_ttl", "MIGRATE_LOCK_TTL", "lock-ttl"],
    duration(1000),
    LEASE_MS,
    PACE,
    "How long the lock outlives a process that died",
    { takenBy: "lock" },
  ),
  maxRate: define(
    ["migrate.max_rate", "MIGRATE_MAX_RATE", "max-rate"],
    optionalInteger("N", 1, 100_000_000),
    null,
    PACE,
    "Records of Redis, or rows that are prepared, a second at most",
    { takenBy: "walk" },
  ),
  batchSize: define(
    ["migrate.batch_size", "MIGRATE_BATCH_SIZE", "batch-size"],
    optionalInteger("N", 1, 100_000),
    null,
    PACE,
    "Records or rows in one batch, instead of adapting to the server",
    { takenBy: "walk" },
  ),
  logLevel: define(
    ["log_level", "LOG_LEVEL", "log-level"],
    choice<LogLevel>(["debug", "info", "warn", "error"], {
      trace: "debug",
      warning: "warn",
      fatal: "error",
      panic: "error",
    }),
    "info",
    OUTPUT,
    "What to log: debug, info, warn or error",
  ),
  logFormat: define(
    ["migrate.log_format", "MIGRATE_LOG_FORMAT", "log-format"],
    choice<"text" | "json">(["text", "json"]),
    "text",
    OUTPUT,
    "How to log, on standard error",
  ),
} as const;

/** The name of a setting in the code. */
export type SettingKey = keyof typeof SETTINGS;

/** All keys, in the order of the table. */
export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** Checked settings, ready to use. Not to be confused with {@linkcode RawSettings}, which nobody has checked. */
export type Settings = {
  readonly [K in SettingKey]: (typeof SETTINGS)[K] extends SettingDefinition<infer T> ? T : never;
};
