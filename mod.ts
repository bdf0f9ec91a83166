/**
 * One migration system for the SQL and the Redis data of an application.
 *
 * Define migrations, put them in a registry, create an engine over clients that you own, and call what the command line
 * calls. Nothing is contacted before a method is called; no export prints, reads the environment, or exits. Every failure
 * is a {@linkcode MigrationError} with a stable `code`.
 *
 * @example The gate at the start of an application that keeps Outpost's data
 * ```ts
 * import { createOutpostEngine } from "@outpost/migrate";
 * import { Redis } from "ioredis";
 * import postgres from "postgres";
 *
 * const sql = postgres("postgres://outpost@db/outpost");
 * const redis = new Redis("redis://redis:6379");
 * const engine = createOutpostEngine({
 *   postgres: sql,
 *   redis,
 *   version: "1.0.0",
 *   owner: { host: "pod-1", pid: Deno.pid },
 * });
 * await engine.assertCurrent(); // Throws PendingError while anything is pending.
 * ```
 *
 * @example What would change, the change, and the proof
 * ```ts
 * import type { Engine } from "@outpost/migrate";
 *
 * export async function migrate(engine: Engine, signal: AbortSignal): Promise<boolean> {
 *   const { hasChanges } = await engine.plan({ signal });
 *   if (!hasChanges) return true;
 *   await engine.apply({ signal, waitMs: 5 * 60_000 }); // Waits for another node that is at it.
 *   const { ok } = await engine.verify({ full: true, signal });
 *   return ok;
 * }
 * ```
 *
 * @module
 */

export type { ApplyEvent, ApplyOptions, ApplyResult } from "./engine/apply.ts";
export type { StatementProgress } from "./engine/apply_run.ts";
export type {
  CleanupResult,
  MigrationEntry,
  MigrationResult,
  MigrationStatus,
  Pace,
  PerSqlStore,
  Progress,
  SqlStoreName,
  StoreName,
  StorePlace,
} from "./engine/migration.ts";
export type { SqlPrepared } from "./engine/sql/sql_prepared.ts";
export type { SqlVerification } from "./engine/sql_backend.ts";
export type {
  DownTarget,
  SqlConsequence,
  SqlDownPlan,
  SqlGrouping,
  SqlPlan,
  SqlStepPlan,
  SqlTablePlan,
} from "./engine/sql/sql_plan.ts";
export type {
  KeptForm,
  RedisDifference,
  RedisExample,
  RedisInvalid,
  RedisMigrationPlan,
  RedisVerification,
  ResolveResult,
} from "./engine/redis_backend.ts";
export type { CleanupItem, CleanupOptions, CleanupPlan, PlanCleanupOptions } from "./engine/cleanup.ts";
export type { ClickHouseTables } from "./engine/clickhouse/bookkeeping.ts";
export type { ClickHouseClient } from "./engine/clickhouse/client.ts";
export type { ClickHouseTable } from "./engine/clickhouse/schema.ts";
export type { OneStoreOptions } from "./engine/choose_sql_store.ts";
export {
  type ClickHouseStore,
  createEngine,
  type CreateEngineOptions,
  type Names,
  type PostgresStore,
} from "./engine/create_engine.ts";
export type { DownOptions, PlanDownOptions } from "./engine/down.ts";
export type { ForceOptions } from "./engine/force.ts";
export { Engine } from "./engine/engine.ts";
export {
  ApplyError,
  BlockedError,
  DirtyError,
  DriftError,
  InterruptedError,
  LockHeldError,
  LockLostError,
  MigrationError,
  type MigrationErrorOptions,
  NotVerifiedError,
  PendingError,
  PlanStaleError,
  RefusedError,
  RegistryError,
  StoreDeniedError,
  StoresFailedError,
  StoreUnreachableError,
  UnknownMigrationError,
} from "./engine/errors.ts";
export { type StatementPosition, StepFailedError, type StepFailure } from "./engine/sql/step_failed_error.ts";
export type { Blocker } from "./engine/blocker.ts";
export { createFleet, type CreateFleetOptions, type Fleet, type FleetOutcome } from "./engine/fleet.ts";
export type { Hint } from "./engine/hint.ts";
export type { InitOptions, InitResult } from "./engine/init.ts";
export type { MigrationList } from "./engine/list.ts";
export type { ClearedLock, UnlockOptions } from "./engine/lock/clear.ts";
export type { LockOptions, LockOwner, RedisLockNames } from "./engine/lock/lock.ts";
export type { Plan, PlannedStore, PlanOptions } from "./engine/plan.ts";
export type { PrepareOptions } from "./engine/prepare.ts";
export type { PlanBasis, SavedPlan } from "./engine/saved_plan.ts";
export type { BookkeepingNames } from "./engine/postgres/bookkeeping.ts";
export { type LeyProject, readLeyProject } from "./engine/postgres/ley_project.ts";
export type { PostgresNames } from "./engine/postgres/options.ts";
export type {
  ColumnObject,
  ConstraintObject,
  IndexObject,
  SchemaObjects,
  TableObject,
} from "./engine/postgres/schema_objects.ts";
export { type Binary, decodeText, encodeText } from "./engine/redis/binary.ts";
export type { OlderState, RedisLayout } from "./engine/redis/layout.ts";
export type { Values } from "./engine/redis/bulk_reads.ts";
export type { RedisClient } from "./engine/redis/client.ts";
export type { BothKeys, CopyChange, Destination, ListKeys, Lists } from "./engine/redis/copy/change.ts";
export { copyKeys, type CopyRules } from "./engine/redis/copy/copy_keys.ts";
export type { Facts } from "./engine/redis/facts.ts";
export type { RedisMigration } from "./engine/redis/migration.ts";
export {
  type Changes,
  type Inconvertible,
  type Lookalikes,
  type TransformChange,
  transformRecords,
  type TransformRules,
} from "./engine/redis/transform/change.ts";
export type { GroupKeys } from "./engine/redis/walk/grouping.ts";
export type { PlanResolveOptions } from "./engine/resolve.ts";
export { createRegistry, type Registry } from "./engine/registry.ts";
export type {
  ConsequenceQuery,
  DownForecast,
  ObjectChange,
  SqlStep,
  SqlSteps,
  StepForecast,
  StepModule,
  StepRemains,
  StepRunner,
  StepVariant,
  TableUse,
} from "./engine/sql/step.ts";
export type { IndexBeforehand } from "./engine/sql/step_beforehand.ts";
export type { Follows, RowRewrite, RowsKept, StepRewrite, TableRewrite } from "./engine/sql/step_rewrite.ts";
export type { SqlStatement, TableLockMode, TableLocks } from "./engine/sql/statement.ts";
export type { PendingCounts, ReadStateOptions, UnreadStore } from "./engine/state.ts";
export type { SqlActivity, SqlWait, SqlWork } from "./engine/sql/activity.ts";
export type { SqlStatus, Status } from "./engine/status.ts";
export type { StopOptions } from "./engine/until_stopped.ts";
export { parseTimestamp } from "./engine/timestamp.ts";
export type { VerifyOptions, VerifyResult } from "./engine/verify.ts";
export {
  createOutpostEngine,
  createOutpostFleet,
  findOutpostDeployments,
  type OutpostEngineOptions,
  type OutpostFleetOptions,
} from "./migrations/mod.ts";
