import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { findCircle, findOutward, readImports } from "../../../scripts/imports.ts";

const ROOT = fromFileUrl(new URL("../../..", import.meta.url));

Deno.test("findCircle() names the files of a circle, and none where files only share what they import", () => {
  assertEquals(findCircle(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), null);
  assertEquals(findCircle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["d", "b"]], ["d", []]])), [
    "b",
    "c",
    "b",
  ]);
});

Deno.test("findOutward() names imports from an inner room", () => {
  const graph = new Map([["cli/a.ts", ["engine/b.ts"]], ["engine/b.ts", ["cli/a.ts", "engine/c.ts"]]]);
  assertEquals(findOutward(graph), ["engine/b.ts imports cli/a.ts"]);
});

for (const entry of ["main.ts", "mod.ts"]) {
  Deno.test(`${entry} reaches no circle of imports, types included, and none against the direction`, async () => {
    const graph = await readImports(ROOT, entry);
    assertEquals(graph.get("engine/lock/with_lock.ts")?.includes("engine/lock/lock.ts"), true);
    assertEquals(findCircle(graph), null);
    assertEquals(findOutward(graph), []);
  });
}
