import { assertEquals } from "@std/assert";
import { chainOf, follow, take } from "../../../../../engine/redis/transform/chain.ts";
import { transformRecords, type TransformRules } from "../../../../../engine/redis/transform/change.ts";

function changeOf(rules: Pick<TransformRules, "fields" | "change"> & Partial<TransformRules>) {
  return transformRecords({ pattern: "*", kindOf: () => "records", groupOf: (key) => key, ...rules });
}

const twice = changeOf({
  fields: ["n"],
  change: (_kind, [n]) => n ? Number(n) > 99 ? { invalid: "n" } : ["n", `${Number(n) * 2}`] : null,
});
const sum = changeOf({ fields: ["id", "n"], change: (_kind, [id, n]) => ["sum", `${id}+${n}`] });

Deno.test("chainOf() reads each field once, whoever needs it", () => {
  assertEquals(chainOf([twice, sum], ["id"]).fields, ["id", "n"]);
});

Deno.test("follow() shows each change what those before it set", () => {
  const outcomes = follow(chainOf([twice, sum]), "key", ["7", "one"]);
  assertEquals(outcomes.map(({ values, changes }) => [values, changes]), [
    [["7"], ["n", "14"]],
    [["one", "14"], ["sum", "one+14"]],
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
  const again = changeOf({ fields: ["sum"], change: () => ["sum", "0", "n", "1"] });
  const outcomes = follow(chainOf([twice, sum, broken, again]), "key", ["7", "one"]);
  const stopped = take(outcomes, () => false);
  assertEquals(stopped.changes, ["n", "14", "sum", "one+14"]);
  assertEquals(stopped.outcomes.length, 3, "it is told which could not, and nothing of those after");
  const gone = take(outcomes, (link) => link === 2);
  assertEquals([gone.changes, gone.outcomes.length], [["n", "1", "sum", "0"], 4]);
  assertEquals(take([], () => false), { outcomes: [], changes: [] });
});
