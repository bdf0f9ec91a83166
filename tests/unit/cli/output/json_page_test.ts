import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { COMMANDS } from "../../../../cli/commands.ts";
import * as json from "../../../../cli/output/json.ts";
import { statusJson, unlockJson } from "../../../../cli/output/status_json.ts";
import type { PlanToTell } from "../../../../cli/migrate/plan_to_tell.ts";
import type { ApplyEvent } from "../../../../engine/apply.ts";
import type { MigrationList } from "../../../../engine/list.ts";
import type { MigrationResult, PerSqlStore } from "../../../../engine/migration.ts";
import type { Status } from "../../../../engine/status.ts";
import type { VerifyResult } from "../../../../engine/verify.ts";
import { runInProcess } from "../../../support/cli.ts";
import { findInvented, findMisdescribed, readJsonPage } from "../../../support/json_page.ts";

const GOLDEN = fromFileUrl(new URL("../../../golden/", import.meta.url));

/** With all that may be absent or null: whoever adds a field has to give it here. */
type Whole<T> = T extends Date ? T
  : T extends readonly (infer One)[] ? readonly Whole<One>[]
  : T extends object ? { readonly [Name in keyof T]-?: Whole<NonNullable<T[Name]>> }
  : T;

const at = new Date("2024-03-01T12:00:00Z");
const since = at;
const lock = {
  ...{ host: "db-1", pid: 1, version: "0.1.0", command: "apply", migration: "sql/000005", progress: "p" },
  ...{ acquiredAt: at, heartbeatAt: at, source: "s", alive: true },
};
const work = { phase: "p", done: 1, total: 2, unit: "rows" } as const;
const waitsFor = [{ pid: 1, application: "a", user: "u", since, description: "d" }];
const activity = { pid: 1, statement: "s", since, waitsFor, work };
const prepared = {
  ...{ versions: [5], ready: true, phase: "p", rows: 1, backlog: 1, since, by: "u", bytes: 1, problem: "p" },
};
const place = { store: "postgres", host: "h", port: 1, database: "d", schema: "s" } as const;
const unread = [{ store: "postgres", message: "m" } as const];
const pending = { sql: 1, redis: 1 };
const both = <T>(found: T) => ({ postgres: found, clickhouse: found }) satisfies PerSqlStore<T>;

const list: Whole<MigrationList> = {
  deployment: "dp_1",
  migrations: [
    {
      ...{ id: "sql/000001", store: "postgres", version: 1, name: "n", description: "d", status: "failed" },
      ...{ reason: "r", appliedAt: at },
    },
  ],
  pending,
  unread,
};
const status: Whole<Status> = {
  ...both({ version: 4, latest: 10, dirty: true, ahead: true, drift: ["d"], prepared }),
  ...{ redis: { applied: 1, total: 3, adoptable: true }, pending, lock, activity, unread },
};
const plan: Whole<PlanToTell> = {
  ...both(
    {
      ...{ current: 4, latest: 10, held: "h", preparation: prepared },
      grouping: { together: [5], apart: ["a"], needs: { bytes: 1, disk: 1 }, prepared: true },
      steps: [{
        ...{ id: "sql/000005", name: "n", description: "d", statements: ["s"] },
        tables: [{ name: "t", rows: 1, bytes: 1, lock: "SHARE", rewrite: true }],
        consequences: [{ kind: "index_built", table: "t", detail: "d", rows: 1 }],
      }],
    } as const,
  ),
  ...{ digest: "d", hasChanges: true, adoptable: true, stores: [place] },
  redis: [{
    ...{ id: "redis/003_entity", name: "003_entity", description: "d", estimatedItems: 1, firsts: 1 },
    ...{ scope: { tenants: 1 }, examples: [{ key: "k", before: "b", after: "a" }] },
    ...{ invalidItems: 1, invalid: [{ key: "k", field: "f", value: "v" }] },
  }],
  blockers: [{
    ...{ store: "redis", kind: "memory", object: "o", detail: "d", hint: "h" },
    parts: { texts: ["t"], commands: [], forCallers: "h" },
  }],
  basis: {
    ...{
      deployment: "dp_1",
      stores: {},
      versions: {},
      migrations: [],
      selected: [],
      variants: {},
      together: [],
    },
  },
};
const verified: Whole<VerifyResult> = {
  ...both(
    {
      ...{ ok: false, current: 4, latest: 10, dirty: true, issues: ["i"], warnings: ["w"] },
      ...{ misrecorded: true, incomplete: true, fits: 4 },
    } as const,
  ),
  ...{ ok: false, stores: [place] },
  redis: [{
    ...{ id: "redis/003_entity", valid: false, checksRun: 1, checksPassed: 0, accepted: 1, undecided: 1 },
    ...{ issues: ["i"], note: "n" },
  }],
};
const result: Whole<MigrationResult> = {
  ...{ id: "redis/003_entity", outcome: "failed", processed: 1, failed: 1, undecided: 1, skipped: 1 },
  ...{ conflicts: 1, durationMs: 1, issues: ["i"] },
};
const id = "redis/003_entity";
const progress = { id, processed: 1, failed: 0, skipped: 0, total: 2, ratePerSecond: 1, remainingMs: 1 };
const events: readonly ApplyEvent[] = [
  { event: "start", id },
  { event: "progress", id, progress },
  { event: "statement", id: "sql/000005", statement: 1, statements: 2, forMs: 1, activity },
  { event: "failed", id, result },
];
const error = { code: "blocked", message: "m", hint: "h", docs: "d" };
const file = { path: "p", text: "t" };

const answered = async (line: string, CONFIG: string) =>
  JSON.parse((await runInProcess([...line.split(" "), "--json"], { env: { CONFIG } })).stdout);

/** By the headings of the page, documents that have between them all that such ones may have. */
const wholeDocuments = async (configFile: string): Promise<Readonly<Record<string, readonly unknown[]>>> => ({
  "error": [{ error }],
  "migrate list": [json.listJson(list)],
  "migrate status": [statusJson(status)],
  "migrate plan": [json.planJson(plan)],
  "migrate apply": events.map((event) => json.applyEventJson(event, 1)),
  "migrate apply, last line": [json.applySummaryJson([result], error)],
  "migrate verify": [json.verifyJson(verified, "dp_1")],
  "migrate cleanup": [json.cleanupJson({ id: "sql/000005", deleted: 1, kept: 1, issues: ["i"] })],
  "migrate resolve": [json.resolveJson({ id: "redis/001_hash_tags", resolved: 1, issues: ["i"] }, "copy")],
  "migrate init": [json.initJson({ redis: "used", pending })],
  "migrate prepare": [json.prepareJson(prepared, true)],
  "migrate down": [json.downJson(["sql/000009"])],
  "migrate force": [json.forceJson(8)],
  "migrate unlock": [unlockJson(["outpost:migration:lock"], lock)],
  "migrate grants": [await answered("migrate grants", configFile)],
  "migrate new": [json.newJson({ id: "redis/004_x", created: [file], changed: file, next: [] })],
  "config": [await answered("config", configFile)],
  "completions": [await answered("completions bash", configFile)],
  "version": [await answered("version", configFile)],
});

Deno.test("the page on JSON describes each field that a document may have, and no other", async () => {
  const page = await readJsonPage();
  const configFile = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(configFile, "redis:\n  hots: h\n");
  const whole = await wholeDocuments(configFile);
  await Deno.remove(configFile);
  // All that `serve` writes is an error.
  for (const { path, hidden } of COMMANDS) assert(hidden || path === "serve" || path in whole, path);
  for (const [name, documents] of Object.entries(whole)) {
    const described = page.get(name)!;
    assertEquals([name, ...findMisdescribed(documents, described)], [name]);
    assertEquals([name, ...findInvented(documents, described)], [name]);
  }
});

Deno.test("the page on JSON describes what commands write", async () => {
  const page = await readJsonPage();
  for await (const { name } of Deno.readDir(GOLDEN)) {
    if (!name.endsWith(".json.txt")) continue;
    const [command, ...lines] = (await Deno.readTextFile(GOLDEN + name)).split("\n");
    for (const line of lines.filter((line) => line.startsWith("{"))) {
      const document = JSON.parse(line);
      const [path] = /(?<=outpost )(migrate )?\w+/.exec(command!)!;
      const kind = "event" in document && document.event === "summary"
        ? `${path}, last line`
        : "error" in document
        ? "error"
        : path;
      assertEquals([name, ...findMisdescribed([document], page.get(kind)!)], [name]);
    }
  }
});
