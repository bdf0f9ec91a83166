import { assertEquals } from "@std/assert";
import {
  applyEventJson,
  applySummaryJson,
  cleanupJson,
  listJson,
  planJson,
  verifyJson,
} from "../../../../cli/output/json.ts";
import { lockJson, statusJson } from "../../../../cli/output/status_json.ts";
import type { LockOwner } from "../../../../engine/lock/lock.ts";
import type { MigrationResult } from "../../../../engine/migration.ts";

const at = new Date("2024-03-01T12:00:00.500Z");

const owner: LockOwner = {
  host: "db-1",
  pid: 4711,
  version: "0.1.0",
  command: "apply",
  migration: "redis/002_timestamps",
  progress: "12 of 30 records",
  acquiredAt: at,
  heartbeatAt: at,
  source: "outpost:migration:lock",
  alive: true,
};

const result: MigrationResult = {
  id: "redis/002_timestamps",
  outcome: "applied",
  processed: 5,
  failed: 1,
  skipped: 2,
  conflicts: 1,
  durationMs: 12.6,
  issues: ["tenant:x"],
};

Deno.test("listJson() has the documented shape", () => {
  const migration = {
    id: "sql/000001",
    store: "postgres" as const,
    version: 1,
    name: "init",
    description: "d",
    status: "applied" as const,
    reason: null,
    appliedAt: at,
  };
  assertEquals(listJson({ deployment: "dp_1", migrations: [migration], pending: { sql: 0, redis: 1 } }), {
    deployment_id: "dp_1",
    migrations: [{
      id: "sql/000001",
      type: "sql",
      version: 1,
      name: "init",
      description: "d",
      status: "applied",
      reason: null,
      applied_at: "2024-03-01T12:00:00.500Z",
    }],
    pending: { sql: 0, redis: 1 },
  });
});

Deno.test("statusJson() has the documented shape, absent stores null", () => {
  const sql = { version: 4, latest: 10, dirty: false, ahead: false, drift: ["not shown"] };
  const nobody = {
    held: false,
    owner: null,
    command: null,
    migration: null,
    acquired_at: null,
    heartbeat_at: null,
    alive: null,
  };
  const pending = { sql: 6, redis: 0 };
  assertEquals(
    statusJson({ postgres: sql, clickhouse: null, redis: null, pending, lock: null, activity: null }),
    {
      sql: { version: 4, latest: 10, dirty: false, ahead: false },
      clickhouse: null,
      redis: null,
      pending,
      activity: null,
      lock: nobody,
    },
  );
  assertEquals(lockJson(owner), {
    held: true,
    owner: "db-1 (pid 4711, outpost 0.1.0)",
    command: "apply",
    migration: "redis/002_timestamps",
    acquired_at: "2024-03-01T12:00:00.500Z",
    heartbeat_at: "2024-03-01T12:00:00.500Z",
    alive: true,
  });
});

Deno.test("planJson() has the documented shape", () => {
  const step = {
    id: "sql/000005",
    name: "n",
    description: "d",
    statements: ["select 1"],
    tables: [{ name: "t", rows: 1, bytes: 2, lock: "SHARE", rewrite: true }],
    consequences: [{ kind: "rows_deleted" as const, table: "t", detail: "x", rows: 3 }],
  };
  const redis = {
    id: "redis/003_entity",
    name: "003_entity",
    description: "d",
    estimatedItems: 2,
    scope: { tenants: 2 },
    examples: [{ key: "k", before: "a", after: "b" }],
    firsts: 1,
    invalidItems: 12,
    invalid: [{ key: "k", field: "created_at", value: "yesterday" }],
  };
  const blocker = { store: "redis" as const, kind: "memory", object: "r:6379", detail: "d", hint: "h" };
  const basis = { deployment: "dp_1", stores: {}, versions: {}, migrations: [], selected: [], variants: {} };
  const sql = { current: 4, latest: 10, steps: [step] };
  const stores = [{
    store: "postgres" as const,
    host: "db",
    port: 5432,
    database: "outpost",
    schema: "public",
  }];
  assertEquals(
    planJson({
      digest: "abc",
      stores,
      hasChanges: true,
      postgres: sql,
      clickhouse: null,
      redis: [redis],
      blockers: [blocker],
      basis,
    }),
    {
      digest: "abc",
      has_changes: true,
      stores: [{
        store: "postgres",
        host: "db",
        port: 5432,
        database: "outpost",
        schema: "public",
        deployment_id: "dp_1",
      }],
      sql: {
        current: 4,
        latest: 10,
        steps: [{
          id: "sql/000005",
          name: "n",
          statements: ["select 1"],
          tables: [{ name: "t", rows: 1, bytes: 2, lock: "SHARE", rewrite: true }],
          consequences: [{ kind: "rows_deleted", table: "t", detail: "x", rows: 3 }],
        }],
      },
      clickhouse: null,
      redis: [{
        id: "redis/003_entity",
        name: "003_entity",
        description: "d",
        estimated_items: 2,
        scope: { tenants: 2 },
        examples: [{ key: "k", before: "a", after: "b" }],
        invalid: [{ key: "k", field: "created_at", value: "yesterday" }],
      }],
      blockers: [blocker],
    },
  );
});

Deno.test("applyEventJson() and applySummaryJson() have the documented shape", () => {
  const id = result.id;
  const progress = { ...result, total: 10, ratePerSecond: 99.6, remainingMs: null };
  const common = { id, processed: 5, failed: 1, skipped: 2, total: 10 };
  assertEquals(applyEventJson({ event: "progress", id, progress }, 7.2), {
    event: "progress",
    ...common,
    duration_ms: 7,
    rate_per_second: 100,
    remaining_ms: null,
  });
  assertEquals(applyEventJson({ event: "done", id, result }, 0), {
    event: "done",
    ...common,
    total: 8,
    duration_ms: 13,
    conflicts: 1,
    issues: ["tenant:x"],
  });
  assertEquals(applyEventJson({ event: "retry", id, attempt: 1, waitMs: 1, reason: "x" }, 0), null);
  const failed: MigrationResult = { ...result, id: "redis/003_entity", outcome: "failed" };
  const notRun: MigrationResult = { ...result, id: "redis/004", outcome: "not_run" };
  assertEquals(applySummaryJson([result]), { event: "summary", ok: true, applied: [id], failed: [] });
  const error = { code: "apply_failed", message: "m", hint: null, docs: "docs/errors.md#x" };
  assertEquals(applySummaryJson([result, failed, notRun], error), {
    event: "summary",
    ok: false,
    applied: [id],
    failed: ["redis/003_entity"],
    error,
  });
});

Deno.test("verifyJson() and cleanupJson() have the documented shape", () => {
  const sql = { ok: true, current: 10, latest: 10, dirty: false, issues: [], warnings: [] };
  const redis = {
    id: "redis/001_hash_tags",
    valid: true,
    checksRun: 5,
    checksPassed: 4,
    accepted: 0,
    undecided: 0,
    issues: ["x"],
  };
  const place = { store: "redis", host: "r", port: 6379, database: "0", schema: null } as const;
  const stores = [place];
  const expected = {
    stores: [{ ...place, deployment_id: "dp" }],
    ok: true,
    sql: { ok: true, current: 10, latest: 10, dirty: false, issues: [], warnings: [] },
    redis: [{ id: "redis/001_hash_tags", valid: true, checks_run: 5, checks_passed: 4, issues: ["x"] }],
  };
  assertEquals(
    verifyJson({ ok: true, stores, postgres: sql, clickhouse: null, redis: [redis] }, "dp"),
    expected,
  );
  assertEquals(verifyJson({ ok: true, stores, postgres: sql, clickhouse: sql, redis: [redis] }, "dp"), {
    ...expected,
    clickhouse: expected.sql,
  });
  assertEquals(cleanupJson({ id: "x", deleted: 1, kept: 2, issues: ["y"] }), {
    id: "x",
    deleted: 1,
    kept: 2,
    issues: ["y"],
  });
});
