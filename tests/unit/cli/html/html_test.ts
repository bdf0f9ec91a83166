import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { escapeHtml, html } from "../../../../cli/html/page.ts";
import { planPage } from "../../../../cli/html/plan_page.ts";
import { verifyPage } from "../../../../cli/html/verify_page.ts";
import type { Plan } from "../../../../engine/plan.ts";

const created = new Date("2024-03-01T12:00:00Z");

function planWith(text: string): Plan {
  return {
    digest: "d".repeat(64),
    stores: [{ store: "redis", host: text, port: 6379, database: text, schema: null }],
    hasChanges: true,
    postgres: {
      current: 4,
      latest: 5,
      steps: [{
        id: "sql/000005",
        name: text,
        description: text,
        statements: [text],
        tables: [{ name: text, rows: 1, bytes: 2048, lock: "ACCESS EXCLUSIVE", rewrite: true }],
        consequences: [{ kind: "column_dropped", table: text, detail: text, rows: 7 }],
      }],
    },
    clickhouse: null,
    redis: [{
      id: "redis/003_entity",
      name: text,
      description: text,
      estimatedItems: 1000,
      scope: { [text]: 1000 },
      examples: [{ key: text, before: text, after: text }],
      firsts: 1,
      invalidItems: 11,
      invalid: [{ key: text, field: text, value: text }],
    }],
    blockers: [{ store: "redis", kind: "eviction", object: "r:6379", detail: "No <room>", hint: "Raise it" }],
    basis: { deployment: "", stores: {}, versions: {}, migrations: [], selected: [], variants: {} },
  };
}

Deno.test("html`` escapes whatever is put in, and HTML only once", () => {
  assertEquals(html`<b>${"<i>"}</b>${[html`<u>${"&"}</u>`, 5]}`.text, "<b>&lt;i&gt;</b><u>&amp;</u>5");
  assertEquals(escapeHtml("a\0\x1b[31m'\"\n"), "a\\x00\\x1b[31m&#39;&quot;\n");
});

Deno.test("pages hold no markup that comes from data, whatever the data", () => {
  const tags = (page: string) =>
    [...page.matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name]) => name!.toLowerCase());
  const plain = tags(planPage(planWith("x"), { created, deployment: "x" }));
  fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
    assertEquals(tags(planPage(planWith(text), { created, deployment: text })), plain);
  }));
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`;
  const page = planPage(planWith(evil), { created, deployment: evil });
  assert(!page.includes("<script") && !page.includes("<img"), page);
});

Deno.test("planPage() is self-contained and tells counts, sizes, locks and what goes", () => {
  const page = planPage(planWith("something"), { created, deployment: "dp_1" });
  for (
    const text of [
      "dp_1",
      "2.0 KiB",
      "ACCESS EXCLUSIVE",
      "rewritten",
      "column dropped",
      "1,000",
      "What goes",
      "Redis something:6379/something",
      "11 records cannot be converted, of which 1 are shown",
    ]
  ) {
    assertStringIncludes(page, text);
  }
  assert(!/\b(src|href)=/.test(page) && !page.includes("@import"), "nothing is loaded from elsewhere");
  assertStringIncludes(page, `default-src 'none'`);
});

Deno.test("verifyPage() tells counts and lists issues", () => {
  const redis = {
    id: "redis/002_timestamps",
    valid: false,
    checksRun: 40,
    checksPassed: 39,
    accepted: 0,
    undecided: 0,
    issues: ["<tenant>"],
  };
  const sql = { ok: true, current: 10, latest: 10, dirty: false, issues: [], warnings: ["strange"] };
  const stores = [{ store: "postgres" as const, host: "db", port: 5432, database: "o", schema: "public" }];
  const page = verifyPage({ ok: false, stores, postgres: sql, clickhouse: null, redis: [redis] }, {
    created,
    deployment: "",
    durationMs: 1234,
    full: false,
    sample: 20,
  });
  for (
    const text of [
      "Not verified",
      "1.2 s",
      "a random sample of up to 20 tenants",
      "39",
      "&lt;tenant&gt;",
      "Postgres db:5432/o",
      "strange",
    ]
  ) {
    assertStringIncludes(page, text);
  }
});
