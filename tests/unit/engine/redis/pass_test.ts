import { assertEquals } from "@std/assert";
import { copyKeys } from "../../../../engine/redis/copy/copy_keys.ts";
import { walksOf } from "../../../../engine/redis/pass.ts";
import { transformRecords } from "../../../../engine/redis/transform/change.ts";

const groupOf = (key: string) => key;
const copy = copyKeys({ pattern: "*", judge: () => null, groupOf });
const inPlace = transformRecords({
  pattern: "*",
  fields: ["id"],
  kindOf: () => null,
  change: () => null,
  groupOf,
});

/** What walks are made of, by the versions of migrations: 1 to 6, of which 2 and 4 make copies. */
function versions(inOrder: boolean): number[][] {
  const steps = [inPlace, copy, inPlace, copy, inPlace, inPlace].map((change, i) => (
    { migration: { name: "", version: i + 1, description: "", change } }
  ));
  return walksOf(steps, inOrder).map((walk) => walk.map(({ migration }) => migration.version));
}

Deno.test("walksOf() makes all changes in place in one walk, before the copies, which are born changed", () => {
  assertEquals(versions(false), [[1, 3, 5, 6], [2], [4]]);
});

Deno.test("walksOf() keeps the order where copies are changed when they are there", () => {
  assertEquals(versions(true), [[1], [2], [3], [4], [5, 6]]);
});

Deno.test("walksOf() makes no walk for nothing", () => {
  assertEquals(walksOf([], true), []);
});
