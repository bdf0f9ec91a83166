import { assertEquals } from "@std/assert";
import { KeySorter } from "../../../../../engine/redis/walk/key_sorter.ts";
import { WalkPart } from "../../../../../engine/redis/walk/part.ts";
import { literalStart } from "../../../../../engine/redis/walk/pattern.ts";

const { signal } = new AbortController();
const partOf = (pattern: string) => new WalkPart({ pattern, signal, visit: () => Promise.resolve() });
const given = (sorter: KeySorter, size: number, last: boolean) =>
  [...sorter.batches(() => size, last)].map(([{ options: { pattern } }, keys]) => [pattern, ...keys]);

Deno.test("KeySorter hands a key to each part whose pattern it matches, however their patterns begin", () => {
  const sorter = new KeySorter(["a:*", "a:b:*", "[at]:*", "\\*:*", "*"].map(partOf));
  sorter.add(["a:1", "a:b:2", "t:3", "*:4", "x"]);
  assertEquals(given(sorter, 9, true), [
    ["a:*", "a:1", "a:b:2"],
    ["a:b:*", "a:b:2"],
    ["[at]:*", "a:1", "a:b:2", "t:3"],
    ["\\*:*", "*:4"],
    ["*", "a:1", "a:b:2", "t:3", "*:4", "x"],
  ]);
});

Deno.test("KeySorter holds back what fills no batch until the last page, and nothing where there is one part", () => {
  const sorter = new KeySorter(["a:*", "b:*"].map(partOf));
  sorter.add(["a:1", "a:2", "a:3", "b:1"]);
  assertEquals(given(sorter, 2, false), [["a:*", "a:1", "a:2"]]);
  sorter.add(["b:2"]);
  assertEquals(given(sorter, 2, false), [["b:*", "b:1", "b:2"]]);
  assertEquals(given(sorter, 2, true), [["a:*", "a:3"]]);
  const alone = new KeySorter([partOf("a:*")]);
  alone.add(["a:1", "a:2", "a:3"]);
  assertEquals(given(alone, 2, false), [["a:*", "a:1", "a:2"], ["a:*", "a:3"]]);
});

Deno.test("literalStart() ends where a pattern leaves a choice", () => {
  assertEquals(["a:b*", "\\*x?", "[a]b[cd]", "*"].map(literalStart), ["a:b", "*x", "ab", ""]);
});
