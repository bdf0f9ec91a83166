import { assertEquals } from "@std/assert";
import { compareSchema } from "../../../../engine/postgres/compare_schema.ts";
import type { TableObject } from "../../../../engine/postgres/schema_objects.ts";
import { postgresSchemas } from "../../../../migrations/sql/postgres.ts";

const TABLE: TableObject = {
  name: "t",
  partitionKey: null,
  partitionOf: null,
  columns: ["a", "b"].map((name) => ({ name, type: "text", notNull: true, default: null, generated: null })),
  constraints: [{ name: "t_pkey", definition: "PRIMARY KEY (a)" }],
  indexes: [{
    name: "t_pkey",
    definition: "CREATE UNIQUE INDEX t_pkey ON t USING btree (a)",
    parent: null,
    valid: true,
  }],
};

Deno.test("compareSchema() finds nothing between a schema and itself, nor between it and more", () => {
  for (const schema of postgresSchemas) assertEquals(compareSchema(schema, schema, { anyOrder: [] }), []);
  const more = { ...TABLE, columns: [...TABLE.columns, { ...TABLE.columns[0]!, name: "c" }] };
  assertEquals(compareSchema([TABLE], [more, { ...TABLE, name: "u" }], { anyOrder: [] }), []);
});

Deno.test("compareSchema() names each difference", () => {
  const [a, b] = TABLE.columns;
  const differences = (changes: Partial<TableObject>) =>
    compareSchema([TABLE], [{ ...TABLE, ...changes }], { anyOrder: [] });
  assertEquals(compareSchema([TABLE], [], { anyOrder: [] }), [`Table "t" is missing`]);
  assertEquals(differences({ columns: [a!] }), [`Column "t"."b" is missing`]);
  assertEquals(differences({ columns: [b!, a!] }), [`Columns of "t" stand in the order b, a: expected a, b`]);
  assertEquals(differences({ columns: [a!, { ...b!, default: "now()" }] }), [
    `Column "t"."b" has the default now(): expected no default`,
  ]);
  assertEquals(differences({ columns: [a!, { ...b!, generated: "a" }] }), [
    `Column "t"."b" has the expression a: expected no expression`,
  ]);
  assertEquals(differences({ indexes: [{ ...TABLE.indexes[0]!, valid: false }] }), [
    `Index "t_pkey" on "t" is invalid`,
  ]);
  assertEquals(differences({ constraints: [] }), [`Constraint "t_pkey" of "t" is missing`]);
  assertEquals(differences({ partitionKey: "RANGE (a)" }), [
    `Table "t" is partitioned by RANGE (a): expected nothing`,
  ]);
});

Deno.test("compareSchema() overlooks the order of columns where it is told to", () => {
  const turned = { ...TABLE, columns: [...TABLE.columns].reverse() };
  assertEquals(compareSchema([TABLE], [turned], { anyOrder: "all" }), []);
  assertEquals(compareSchema([TABLE], [turned], { anyOrder: ["t"] }), []);
  assertEquals(compareSchema([TABLE], [turned], { anyOrder: ["u"] }).length, 1);
});
