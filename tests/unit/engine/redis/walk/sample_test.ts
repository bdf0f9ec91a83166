import { assert, assertEquals } from "@std/assert";
import { searchGroups } from "../../../../../engine/redis/walk/sample.ts";

Deno.test("searchGroups() chooses whole groups, all of them when there are few, and not always the same", () => {
  const keys = Array.from({ length: 600 }, (_, i) => `g${Math.floor(i / 3)}:${i % 3}`);
  const choose = (count: number) => {
    const search = searchGroups([{ pattern: "*", groupOf: (key) => key.split(":")[0]! }], count);
    for (let at = 0; at < keys.length; at += 50) search.visit(keys.slice(at, at + 50));
    return [...search.groups.values()].flatMap((members) => [...members]);
  };
  const one = choose(20);
  assertEquals([one.length, new Set(one).size], [60, 60]);
  assertEquals(choose(1000).length, 600);
  const several = Array.from({ length: 5 }, () => choose(20));
  assert(new Set(several.map((chosen) => chosen.sort().join())).size > 1);
});
