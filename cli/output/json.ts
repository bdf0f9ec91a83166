/**
 * The shapes that programs read: snake_case keys, times in RFC 3339 UTC. Here and in `status_json.ts` alone names change their form.
 *
 * @module
 */

import { type CleanupResult, type MigrationResult, presentStores, typeOf } from "../../engine/migration.ts";
import type { KeptForm, ResolveResult } from "../../engine/redis_backend.ts";
import type { SqlVerification } from "../../engine/sql_backend.ts";
import type { SqlPlan } from "../../engine/sql/sql_plan.ts";
import type { ApplyEvent } from "../../engine/apply.ts";
import type { MigrationList } from "../../engine/list.ts";
import type { InitResult } from "../../engine/init.ts";
import type { PlannedStore } from "../../engine/plan.ts";
import type { VerifyResult } from "../../engine/verify.ts";
import type { PlanToTell } from "../migrate/plan_to_tell.ts";
import type { SqlPrepared } from "../../engine/sql/sql_prepared.ts";
import type { Scaffold } from "../scaffold/scaffold.ts";
import { wayOut } from "./typed_command.ts";
import { activityJson, pendingJson, perSqlStoreJson, preparedJson, time } from "./status_json.ts";

/** An error on standard output. */
export interface ErrorJson {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
    /** Where the code is explained, from the root of the project. */
    readonly docs: string;
  };
}

/** `outpost migrate list --json` */
export function listJson({ deployment, migrations, pending, unread }: MigrationList) {
  return {
    deployment_id: deployment,
    migrations: migrations.map((entry) => ({
      id: entry.id,
      type: typeOf(entry.store),
      version: entry.version,
      name: entry.name,
      description: entry.description,
      status: entry.status,
      reason: entry.reason,
      applied_at: time(entry.appliedAt),
    })),
    ...pendingJson(pending, unread),
  };
}

/** `outpost migrate plan --json` */
export function planJson(plan: PlanToTell) {
  return {
    digest: plan.digest,
    has_changes: plan.hasChanges,
    ...(plan.adoptable ? { adoptable: true } : {}),
    stores: storesJson(plan.stores, plan.basis.deployment),
    ...perSqlStoreJson(plan, sqlPlanJson),
    redis: plan.redis.map((migration) => ({
      id: migration.id,
      name: migration.name,
      description: migration.description,
      estimated_items: migration.estimatedItems,
      scope: migration.scope,
      examples: migration.examples.map(({ key, before, after }) => ({ key, before, after })),
      invalid: migration.invalid.map(({ key, field, value }) => ({ key, field, value })),
    })),
    blockers: plan.blockers.map((blocker) => {
      const { store, kind, object, detail } = blocker;
      return { store, kind, object, detail, hint: wayOut(blocker) };
    }),
  };
}

function sqlPlanJson(plan: SqlPlan) {
  return {
    current: plan.current,
    latest: plan.latest,
    ...(plan.held === undefined ? {} : { held: plan.held }),
    ...(plan.grouping === undefined ? {} : { grouping: plan.grouping }),
    ...(plan.preparation === undefined ? {} : { prepared: preparedJson(plan.preparation) }),
    steps: plan.steps.map((step) => ({
      id: step.id,
      name: step.name,
      statements: [...step.statements],
      tables: step.tables.map(({ name, rows, bytes, lock, rewrite }) => ({
        name,
        rows,
        bytes,
        lock,
        rewrite,
      })),
      consequences: step.consequences.map(({ kind, table, detail, rows }) => ({ kind, table, detail, rows })),
    })),
  };
}

/** One line of `outpost migrate apply --json`, or null for what only logs tell. */
export function applyEventJson(event: ApplyEvent, durationMs: number) {
  switch (event.event) {
    case "begin":
    case "retry":
      return null;
    case "start":
      return {
        event: "start",
        id: event.id,
        processed: 0,
        failed: 0,
        skipped: 0,
        total: null,
        duration_ms: 0,
      };
    case "progress": {
      const { processed, failed, skipped, total, ratePerSecond, remainingMs } = event.progress;
      return {
        event: "progress",
        id: event.id,
        processed,
        failed,
        skipped,
        total,
        duration_ms: Math.round(durationMs),
        rate_per_second: Math.round(ratePerSecond),
        remaining_ms: remainingMs === null ? null : Math.round(remainingMs),
      };
    }
    case "statement": {
      const { id, statement, statements, forMs, activity } = event;
      return {
        event: "progress",
        id,
        processed: 0,
        failed: 0,
        skipped: 0,
        total: null,
        duration_ms: Math.round(durationMs),
        statement,
        statements,
        statement_ms: Math.round(forMs),
        activity: activityJson(activity),
      };
    }
    default: {
      const { processed, failed, skipped, conflicts, issues } = event.result;
      return {
        event: event.event,
        id: event.id,
        processed,
        failed,
        skipped,
        total: processed + failed + skipped,
        duration_ms: Math.round(event.result.durationMs),
        conflicts,
        issues: [...issues],
      };
    }
  }
}

/** The last line of `outpost migrate apply --json`. */
export function applySummaryJson(results: readonly MigrationResult[], error?: ErrorJson["error"]) {
  const ids = (outcome: MigrationResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).map((result) => result.id);
  return {
    event: "summary",
    ok: error === undefined,
    applied: ids("applied"),
    failed: ids("failed"),
    ...(error === undefined ? {} : { error }),
  };
}

function storesJson(stores: readonly PlannedStore[], deployment: string) {
  return stores.map((place) => ({
    store: place.store,
    host: place.host,
    port: place.port,
    database: place.database,
    schema: place.schema,
    deployment_id: deployment,
  }));
}

/** `outpost migrate verify --json` */
export function verifyJson(result: VerifyResult, deployment: string) {
  const sql = presentStores(result).map(([store, found]) => [typeOf(store), sqlVerificationJson(found)]);
  return {
    ok: result.ok,
    stores: storesJson(result.stores, deployment),
    sql: null,
    ...Object.fromEntries(sql),
    redis: result.redis.map(({ id, valid, checksRun, checksPassed, issues }) => ({
      id,
      valid,
      checks_run: checksRun,
      checks_passed: checksPassed,
      issues: [...issues],
    })),
  };
}

function sqlVerificationJson({ ok, current, latest, dirty, issues, warnings }: SqlVerification) {
  return { ok, current, latest, dirty, issues: [...issues], warnings: [...warnings] };
}

/** `outpost migrate cleanup --json` */
export function cleanupJson(
  { id, deleted, kept, issues }: Omit<CleanupResult, "id"> & { id: string | null },
) {
  return { id, deleted, kept, issues: [...issues] };
}

/** `outpost migrate resolve --json` */
export function resolveJson({ id, resolved, issues }: ResolveResult, keep: KeptForm) {
  return { id, keep, resolved, issues: [...issues] };
}

/** `outpost migrate init --json` */
export function initJson({ redis, pending }: InitResult) {
  return { redis, pending: { sql: pending.sql, redis: pending.redis } };
}

/** `outpost migrate prepare --json` @param aborted With `--abort`, whether there was anything. */
export function prepareJson(prepared: SqlPrepared | null, aborted?: boolean) {
  return {
    prepared: prepared === null ? null : preparedJson(prepared),
    ...(aborted === undefined ? {} : { aborted }),
  };
}

/** `outpost migrate down --json` */
export function downJson(ids: readonly string[]) {
  return { taken_back: [...ids] };
}

/** `outpost migrate force --json` */
export function forceJson(version: number) {
  return { version, dirty: false };
}

/** `outpost migrate new --json` */
export function newJson({ id, created, changed }: Scaffold) {
  return { id, created: created.map(({ path }) => path), changed: [changed.path] };
}
