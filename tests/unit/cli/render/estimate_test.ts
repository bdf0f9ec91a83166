import { assertEquals } from "@std/assert";
import { estimates } from "../../../../cli/render/estimate.ts";
import type { Plan } from "../../../../engine/plan.ts";

const table = (name: string, mib: number, rewrite: boolean) => ({
  name,
  rows: 1,
  bytes: mib * 1024 * 1024,
  lock: "ACCESS EXCLUSIVE",
  rewrite,
});

function planOf(tables: ReturnType<typeof table>[], items: number, indexed: readonly string[] = []): Plan {
  const consequences = indexed.map((name) => ({
    kind: "index_built" as const,
    table: name,
    detail: "",
    rows: 1,
  }));
  const step = { id: "sql/000001", name: "a", description: "", statements: [], tables, consequences };
  return {
    digest: "",
    stores: [],
    hasChanges: true,
    postgres: tables.length === 0 ? null : { current: 0, latest: 1, steps: [step] },
    clickhouse: null,
    redis: items === 0 ? [] : [{
      id: "redis/001_a",
      name: "001_a",
      description: "",
      estimatedItems: items,
      scope: {},
      examples: [],
      firsts: 1,
      invalidItems: 0,
      invalid: [],
    }],
    blockers: [],
    basis: { deployment: "", stores: {}, versions: {}, migrations: [], selected: [], variants: {} },
  };
}

Deno.test("estimates() counts the tables that are rewritten or indexed, and no others", () => {
  const plan = planOf([table("a", 640, true), table("b", 640, false), table("c", 640, false)], 0, ["c"]);
  assertEquals(estimates(plan, { limited: false }), [
    "SQL: about 20.0 s to 5 m 20 s, rewriting and indexing 1.3 GiB.",
  ]);
});

Deno.test("estimates() gives no number for what is short, and a span for what is long", () => {
  assertEquals(estimates(planOf([table("a", 0, true)], 3), { limited: false }), [
    "SQL: about a second or less, rewriting and indexing 0 B.",
    "Redis: about a second or less.",
  ]);
  assertEquals(estimates(planOf([], 30_000), { limited: false }), ["Redis: up to about 2.0 s."]);
  assertEquals(estimates(planOf([], 3_000_000), { limited: false }), ["Redis: about 20.0 s to 3 m 20 s."]);
});

Deno.test("estimates() leaves Redis to the rate that was given", () => {
  assertEquals(estimates(planOf([], 60_000), { limited: true }), []);
});
