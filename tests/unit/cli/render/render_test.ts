import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Layout } from "../../../../cli/output/output.ts";
import { renderResults, resultSentence } from "../../../../cli/render/apply.ts";
import { renderList } from "../../../../cli/render/list.ts";
import { renderPlan } from "../../../../cli/render/plan.ts";
import { renderStatus } from "../../../../cli/render/status.ts";
import { renderVerify } from "../../../../cli/render/verify.ts";
import { displayWidth, PLAIN } from "../../../../cli/output/style.ts";
import type { LockOwner } from "../../../../engine/lock/lock.ts";
import type { MigrationEntry, MigrationResult, MigrationStatus } from "../../../../engine/migration.ts";
import type { SqlStatus, Status } from "../../../../engine/status.ts";

const now = new Date("2024-03-01T12:00:00Z");
const layout: Layout = { style: PLAIN, width: 80, now, verbose: false };
const sql: SqlStatus = { version: 10, latest: 10, dirty: false, ahead: false, drift: [] };
const ready: Status = {
  postgres: sql,
  clickhouse: null,
  redis: { applied: 3, total: 3 },
  pending: { sql: 0, redis: 0 },
  lock: null,
  activity: null,
};
const owner: LockOwner = {
  host: "db-1",
  pid: 4711,
  version: "0.1.0",
  command: "apply",
  migration: "redis/002_timestamps",
  progress: "12 of 30 records",
  acquiredAt: new Date("2024-03-01T11:55:00Z"),
  heartbeatAt: new Date("2024-03-01T11:59:58Z"),
  source: "outpost:migration:lock",
  alive: true,
};

/** How it begins and ends: with the verdict, and with what to run next. */
function ends(status: Partial<Status>): readonly [string, string] {
  const parts = renderStatus({ ...ready, ...status }, layout).split("\n\n");
  return [parts[0]!.replaceAll("\n", " "), parts.at(-1)!];
}

Deno.test("renderStatus() answers whether one can deploy, and says what to run next", () => {
  assertEquals(ends({}), ["Ready to deploy: nothing is pending.", "Next: outpost serve  start the server"]);
  assertEquals(ends({ pending: { sql: 1, redis: 0 } }), [
    "Not ready to deploy: 1 SQL migration is pending.",
    "Next: outpost migrate plan  what apply would change",
  ]);
  assertEquals(ends({ pending: { sql: 2, redis: 3 }, lock: owner }), [
    "Not ready to deploy: 2 SQL migrations and 3 Redis migrations are pending, and somebody is at work.",
    "Next: outpost migrate status  again, when the other is done",
  ]);
  assertEquals(ends({ postgres: { ...sql, dirty: true }, pending: { sql: 1, redis: 0 } }), [
    "Do not deploy: another tool failed in the middle of a SQL step.",
    "Next: outpost migrate verify  what is wrong, in detail",
  ]);
  assertEquals(ends({ postgres: { ...sql, drift: ["Step 3 was edited"] } }), [
    "Do not deploy: applied SQL steps are not what this program knows.",
    "Next: outpost migrate verify  what is wrong, in detail",
  ]);
  assertStringIncludes(ends({ postgres: { ...sql, version: 12, ahead: true } })[0], "ahead of this program");
  assertEquals(
    ends({ lock: { ...owner, alive: false } })[1],
    "Next: outpost migrate unlock  clear the dead lock",
  );
});

Deno.test("renderStatus() fits a screen and tells who holds the lock since when", () => {
  const lines = renderStatus({ ...ready, clickhouse: { ...sql, latest: 3, version: 3 }, lock: owner }, layout)
    .split("\n");
  assert(lines.length <= 24 && lines.every((line) => displayWidth(line) <= 80), lines.join("\n"));
  const text = lines.join("\n");
  assertStringIncludes(text, "held by db-1 (pid 4711, outpost 0.1.0)");
  assertStringIncludes(text, "apply, redis/002_timestamps, 12 of 30 records");
  assertStringIncludes(text, "taken 5 minutes ago, last heartbeat 2 s ago");
  assertStringIncludes(text, "ClickHouse  version 3 of 3, up to date");
  // A long row goes on below itself, as far as the screen is wide.
  const long = { ...owner, progress: "word ".repeat(40).trim() };
  const narrow = renderStatus({ ...ready, lock: long }, { ...layout, width: 60 }).split("\n");
  assertEquals(Math.max(...narrow.filter((line) => line.endsWith("word")).map(displayWidth)), 58);
});

Deno.test("renderList() gives reasons below, and the next command that fits the state", () => {
  const entry = (status: MigrationStatus, reason: string | null): MigrationEntry => ({
    id: "redis/001_hash_tags",
    store: "redis",
    version: 1,
    name: "001_hash_tags",
    description: "A description that only a wide screen has room for",
    status,
    reason,
    appliedAt: null,
  });
  const render = (one: MigrationEntry, width = 80) =>
    renderList({ deployment: "", migrations: [one], pending: { sql: 0, redis: 1 } }, { ...layout, width });
  assertStringIncludes(render(entry("failed", "2 records")), "redis/001_hash_tags is failed: 2 records");
  assertStringIncludes(render(entry("dirty", null)), "Next: outpost migrate verify");
  assertStringIncludes(render(entry("running", null)), "Next: outpost migrate status");
  assertStringIncludes(render(entry("not_applicable", "Not needed")), "not applicable");
  assertStringIncludes(
    render(entry("pending", null), 120),
    "A description that only a wide screen has room for",
  );
  assert(!render(entry("pending", null), 50).includes("A description"));
});

Deno.test("renderVerify() shows what was checked and what to do about what is wrong", () => {
  const wrong = {
    id: "redis/002_timestamps",
    valid: false,
    checksRun: 40,
    checksPassed: 39,
    accepted: 0,
    undecided: 0,
    issues: ["tenant:{x}: old"],
  };
  const text = renderVerify(
    { ok: false, stores: [], postgres: null, clickhouse: null, redis: [wrong] },
    layout,
    {
      full: false,
      sample: 20,
      sqlStores: 1,
    },
  );
  assertStringIncludes(text, "FAIL redis/002_timestamps    39 of 40 checks passed\n    - tenant:{x}: old");
  assertStringIncludes(text, "Next: outpost migrate apply redis/002_timestamps --rerun");
  assertStringIncludes(text, "A random sample of up to 20 tenants was checked."); // There may be fewer, or none.
  const drift = {
    ok: false,
    current: 10,
    latest: 10,
    dirty: false,
    issues: ["Index x is missing"],
    warnings: ["Table y belongs to z"],
  };
  const schema = renderVerify(
    { ok: false, stores: [], postgres: drift, clickhouse: null, redis: [] },
    layout,
    {
      full: false,
      sample: 20,
      sqlStores: 1,
    },
  );
  assertStringIncludes(schema, "    ! Table y belongs to z");
  assertStringIncludes(schema, "- Index x is missing");
  assert(!schema.includes("sample"), schema);
  const newer = { ...drift, current: 12, misrecorded: true } as const;
  assertStringIncludes(
    renderVerify({ ok: false, stores: [], postgres: newer, clickhouse: null, redis: [] }, layout, {
      full: false,
      sample: 20,
      sqlStores: 1,
    }),
    "Next: outpost migrate verify  with the release that applied these steps",
  );
});

Deno.test("renderResults() accounts for every planned migration", () => {
  const result: MigrationResult = {
    id: "redis/001_hash_tags",
    outcome: "applied",
    processed: 2000,
    failed: 0,
    skipped: 3,
    conflicts: 1,
    durationMs: 1500,
    issues: [],
  };
  const failed: MigrationResult = {
    ...result,
    id: "redis/002_timestamps",
    outcome: "failed",
    failed: 2,
    issues: ["tenant:{x}"],
  };
  const notRun: MigrationResult = {
    ...result,
    id: "redis/003_entity",
    outcome: "not_run",
    processed: 0,
    skipped: 0,
    conflicts: 0,
  };
  assertEquals(renderResults([result, failed, notRun], layout).split("\n"), [
    "MIGRATION             OUTCOME  RECORDS  SKIPPED  KEPT NEWER  FAILED   TIME",
    "redis/001_hash_tags   applied    2,000        3           1          1.5 s",
    "redis/002_timestamps  failed     2,000        3           1       2  1.5 s",
    "redis/003_entity      not run",
    "! redis/002_timestamps: tenant:{x}",
  ]);
  assertEquals(
    resultSentence(failed),
    "redis/002_timestamps failed in 1.5 s: 2,000 records, 3 skipped, 2 failed",
  );
});

Deno.test("renderPlan() says what is known of the time it takes", () => {
  const redis = {
    id: "redis/003_entity",
    name: "n",
    description: "d",
    estimatedItems: 6000,
    scope: {},
    examples: [],
    firsts: 1,
    invalidItems: 11,
    invalid: [{ key: "tenant:{a}:tenant", field: "created_at", value: "yesterday" }],
  };
  const basis = {
    deployment: "dp_1",
    stores: {},
    versions: {},
    migrations: [],
    selected: ["redis/003_entity"],
    variants: {},
  };
  const at = { port: 6379, database: "0", schema: null };
  const stores = [{ ...at, store: "redis" as const, host: "cache" }, {
    ...at,
    store: "postgres" as const,
    host: "db",
  }];
  const plan = {
    digest: "d",
    stores,
    hasChanges: true,
    postgres: null,
    clickhouse: null,
    redis: [redis],
    blockers: [],
    basis,
  };
  const text = renderPlan(plan, layout, { statements: false, countedMs: 340, maxRate: 50 });
  assertEquals(text.split("\n").slice(0, 4), [
    "Plan: 1 Redis migration over 6,000 records",
    "In Redis cache:6379/0, deployment dp_1.",
    "Counted in 340 ms.",
    "At most 50 records a second: at least 2 m 00 s for Redis.",
  ]);
  const blocker = {
    store: "redis" as const,
    kind: "eviction",
    object: "r:6379",
    detail: "No room",
    hint: "Raise it",
  };
  const blocked = renderPlan({ ...plan, blockers: [blocker] }, layout, {
    statements: false,
    countedMs: 1,
    maxRate: null,
  });
  assertEquals(blocked.split("\n").slice(-3), ["What stands in the way:", "! No room", "  Raise it"]);
  assertStringIncludes(
    text,
    "11 records cannot be converted:\n" +
      '! redis/003_entity tenant:{a}:tenant: created_at is "yesterday"\n' +
      "! redis/003_entity: and 10 more\n  Repair them under the names that stand here, or leave",
  );
  assert(
    !renderPlan(plan, layout, { statements: false, countedMs: null, maxRate: null }).includes("Counted"),
  );
});
