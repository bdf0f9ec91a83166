import { assertEquals, assertThrows } from "@std/assert";
import { RegistryError } from "../../../../../engine/errors.ts";
import { chainOf, follow, take } from "../../../../../engine/redis/transform/chain.ts";
import { transformRecords, type TransformRules } from "../../../../../engine/redis/transform/change.ts";

function changeOf(rules: Pick<TransformRules, "fields" | "change"> & Partial<TransformRules>) {
  return transformRecords({ pattern: "*", kindOf: () => "records", groupOf: (key) => key, ...rules });
}

const twice = changeOf({
  fields: ["n"],
  change: (_kind, [n]) =>
    !n || n.endsWith(".0") ? null : Number(n) > 99 ? { invalid: "n" } : ["n", `${Number(n) * 2}.0`],
});
const sum = changeOf({
  fields: ["id", "n", "sum"],
  change: (_kind, [id, n, found]) => found ? null : ["sum", `${id}+${n}`],
});

Deno.test("chainOf() reads each field once, whoever needs it", () => {
  assertEquals(chainOf([twice, sum], ["id", "id"]).fields, ["id", "n", "sum"]);
});

Deno.test("follow() shows each change what those before it set", () => {
  const outcomes = follow(chainOf([twice, sum]), "key", ["7", "one", null]);
  assertEquals(outcomes.map(({ values, changes }) => [values, changes]), [
    [["7"], ["n", "14.0"]],
    [["one", "14.0", null], ["sum", "one+14.0"]],
  ]);
});

Deno.test("follow() shows what could not be converted as it is, and nothing to a change that does not mean the record", () => {
  const chain = chainOf([twice, changeOf({ ...sum, kindOf: () => null }), sum]);
  const outcomes = follow(chain, "key", ["100", "one"], (link) => link !== 0);
  assertEquals(outcomes.map(({ kind, changes }) => [kind, changes]), [
    [null, null],
    [null, null],
    ["records", ["sum", "one+100"]],
  ]);
  assertEquals(follow(chainOf([twice, sum]), "key", ["100", "one"])[0]!.changes, { invalid: "n" });
});

Deno.test("take() puts together what is to be set, and leaves what cannot be converted as those before made it", () => {
  const broken = changeOf({ fields: ["id"], change: () => ({ invalid: "id" }) });
  const again = changeOf({
    fields: ["sum"],
    change: (_, [found]) => found === "0" ? null : ["sum", "0", "n", "1"],
  });
  const outcomes = follow(chainOf([twice, sum, broken, again]), "key", ["7", "one"]);
  const stopped = take(outcomes, () => false);
  assertEquals(stopped.changes, ["n", "14.0", "sum", "one+14.0"]);
  assertEquals(stopped.outcomes.length, 3, "it is told which could not, and nothing of those after");
  const gone = take(outcomes, (link) => link === 2);
  assertEquals([gone.changes, gone.outcomes.length], [["n", "1", "sum", "0"], 4]);
  assertEquals(take([], () => false), { outcomes: [], changes: [] });
});

Deno.test("follow() refuses a change that would change again what it made", () => {
  const flip = changeOf({ fields: ["v"], change: (_, [v]) => ["v", v === "1" ? "2" : "1"] });
  assertThrows(() => follow(chainOf([flip]), "key", ["1"]), RegistryError, "would change again");
  const once = changeOf({ ...flip, kindOf: (_, [v]) => v === "1" ? "ones" : null });
  assertEquals(follow(chainOf([once]), "key", ["1"])[0]!.changes, ["v", "2"]);
});
