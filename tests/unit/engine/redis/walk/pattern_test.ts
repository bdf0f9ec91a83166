import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { coveringPattern, matcherOf } from "../../../../../engine/redis/walk/pattern.ts";

const part = fc.constantFrom(
  ...["a", "b", "-", "^", "]", "[", "*", "?", "\\", "[a-c]", "[^b]", "[c-a]", "\\*", "\xff", "\n"],
);
const pattern = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
const key = fc.string({
  unit: fc.constantFrom("a", "b", "c", "-", "^", "]", "[", "*", "?", "\\", "\xff", "\n"),
  maxLength: 7,
});

Deno.test("matcherOf() knows stars, places, classes and escapes", () => {
  const matches = (text: string, keys: string[]) => keys.filter(matcherOf(text));
  assertEquals(matches("tenant:{*}", ["tenant:{a}", "tenant:{a}:tenant", "tenant:{}", "Tenant:{a}"]), [
    "tenant:{a}",
    "tenant:{}",
  ]);
  assertEquals(matches("[td]e[ns]*:*", ["tenant:a", "destination_summary:a:b", "dex:", "te:n"]), [
    "tenant:a",
    "destination_summary:a:b",
  ]);
  assertEquals(matches("a\\*?", ["a*b", "aab", "a*"]), ["a*b"]);
});

Deno.test("coveringPattern() matches whatever one of its patterns matches", () => {
  fc.assert(fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), key, (patterns, text) => {
    const covers = matcherOf(coveringPattern(patterns));
    assert(covers(text) || !patterns.some((one) => matcherOf(one)(text)), JSON.stringify({ patterns, text }));
  }));
  assertEquals(coveringPattern(["tenant:*", "tenant:*"]), "tenant:*");
  assertEquals(coveringPattern(["ab*", "ac:*"]), "[a][bc]*");
});
