import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { composeSchemas, diffSchema } from "../../../../engine/sql/schema_changes.ts";

const column = (name: string, type = "text") => ({ name, type });
const table = (name: string, columns: readonly { readonly name: string }[]) => ({
  name,
  key: null,
  columns,
  indexes: [],
});

Deno.test("diffSchema() says what comes, what changes and what goes, and nothing else", () => {
  const before = [table("a", [column("x"), column("y")]), table("gone", [])];
  const after = [table("a", [column("x", "int"), column("z")]), table("b", [column("x")])];
  assertEquals(diffSchema(before, after), {
    gone: null,
    a: { columns: { y: null, x: { type: "int" }, z: { type: "text" } } },
    b: { key: null, columns: { x: { type: "text" } }, indexes: {} },
  });
  assertEquals(diffSchema(after, after), {});
});

Deno.test("diffSchema() writes columns that change places as a whole", () => {
  const before = [table("a", [column("x"), column("y")])];
  const after = [table("a", [column("y"), column("x")])];
  assertEquals(diffSchema(before, after), { a: { columns: [column("y"), column("x")] } });
});

Deno.test("composeSchemas() leads to the schemas that the changes were taken from, whatever they are", () => {
  const names = fc.constantFrom("a", "b", "c", "d");
  const things = <T extends { name: string }>(of: (name: string) => fc.Arbitrary<T>, ordered: boolean) =>
    fc.uniqueArray(names).chain((list) => fc.tuple(...(ordered ? list : list.toSorted()).map(of)));
  const schema = things((name) =>
    fc.record({
      name: fc.constant(name),
      key: fc.option(fc.string()),
      columns: things((name) => fc.record({ name: fc.constant(name), type: names }), true),
      indexes: things((name) => fc.record({ name: fc.constant(name), definition: names }), false),
    }), false);
  fc.assert(fc.property(fc.array(schema), (schemas) => {
    const changes = schemas.map((one, i) => diffSchema(schemas[i - 1] ?? [], one));
    assertEquals(composeSchemas(JSON.parse(JSON.stringify(changes))), JSON.parse(JSON.stringify(schemas)));
  }));
});
