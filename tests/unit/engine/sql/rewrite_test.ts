import { assertEquals } from "@std/assert";
import { composeRewrites } from "../../../../engine/sql/rewrite.ts";
import type { TableRewrite } from "../../../../engine/sql/step_rewrite.ts";

const columnsOf = (table: string) => (table === "orders" || table === "items" ? ["id", "note"] : null);

function compose(...steps: (readonly TableRewrite[] | undefined)[]) {
  return composeRewrites(
    steps.map((tables, index) => ({
      version: index + 1,
      ...(tables === undefined ? {} : { rewrite: { tables } }),
    })),
    columnsOf,
  );
}

Deno.test("composeRewrites() computes each step over what the one before it gives", () => {
  assertEquals(
    compose(
      [{ table: "orders", everyRow: true, computed: { note: "upper(note)" } }],
      undefined,
      [{ table: "orders", everyRow: false, computed: { words: "length(note)" }, renamed: { key: "id" } }],
      [{ table: "purchases", was: "orders", everyRow: true, dropped: ["note"] }],
    ),
    [{
      was: "orders",
      table: "purchases",
      sources: [
        "SELECT key, words\n  FROM (SELECT id AS key, note, length(note) AS words\n  FROM (SELECT id, upper(note) AS note\n" +
        "  FROM (SELECT id, note FROM orders) AS before_1) AS before_3) AS before_4",
      ],
    }],
  );
});

Deno.test("composeRewrites() leaves out tables whose rows no step writes, and steps that change none", () => {
  assertEquals(compose([{ table: "orders", everyRow: false, computed: { a: "1" } }]), []);
  assertEquals(
    compose(
      [{ table: "orders", everyRow: false, dropped: ["computed by the server"] }],
      [{ table: "orders", everyRow: true }],
    ),
    [{ was: "orders", table: "orders", sources: ["SELECT id, note FROM orders"] }],
  );
});

Deno.test("composeRewrites() takes a join for the rows of the first step alone", () => {
  const joined = { columns: ["id", "total"], queries: ["SELECT one", "SELECT two"] };
  const change = { table: "totals", was: "orders", everyRow: true, joined };
  assertEquals(
    compose([change], [{ table: "totals", everyRow: true, computed: { total: "total::text" } }]),
    [{
      was: "orders",
      table: "totals",
      sources: joined.queries.map((query) =>
        `SELECT id, total::text AS total\n  FROM (${query}) AS before_2`
      ),
    }],
  );
  assertEquals(compose([{ table: "items", everyRow: true }], [change]), null);
});

Deno.test("composeRewrites() refuses a table that is not there", () => {
  assertEquals(compose([{ table: "gone", everyRow: true }]), null);
});
