import { assert, assertEquals, assertGreater } from "@std/assert";
import { parseObjects } from "../torture/answer.ts";
import { runInProcess } from "../support/cli.ts";
import type { Fault } from "../support/faults/fault.ts";
import { type StoreName, World } from "./world.ts";

/** Brings a fault upon each command of a run in turn, each upon a run of its own. */
async function eachCommand(
  world: World,
  store: StoreName,
  words: readonly string[],
  code: (Fault & { readonly type: "error" })["code"],
): Promise<string[]> {
  const side = store === "redis" ? "--redis-only" : "--sql-only";
  const ends: string[] = [];
  for (let at = 0, happened = true; happened; at++) {
    happened = false;
    const first = world[store].commands;
    world[store].decide = ({ index }) => {
      if (index - first !== at) return null;
      happened = true;
      return { type: "error", code };
    };
    const run = await runInProcess([...words, side, "--json"], { env: world.env([store], "faulty") });
    const error = parseObjects(run.stdout).at(-1)?.error as { code: string } | undefined;
    ends.push(`${run.code}${error === undefined ? "" : ` ${error.code}`}`);
  }
  assertEquals(ends.pop(), "0", "Nothing stood in the way of the last one");
  assertGreater(ends.length, 5);
  return ends;
}

Deno.test("whichever command of a run is answered with an error, it ends by saying which", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async (t) => {
  await using world = await World.start();
  await world.reset(["redis", "postgres"]);
  for (
    const [store, code] of [
      ["redis", "ASK"],
      ["redis", "NOREPLICAS"],
      ["redis", "OOM"],
      ["postgres", "40001"],
      ["postgres", "53100"],
    ] as const
  ) {
    await t.step(`list, and ${code} from ${store}`, async () => {
      const ends = await eachCommand(world, store, ["migrate", "list"], code);
      assert(ends.every((end) => end === "0" || end === "4 store_unreachable"), ends.join(", "));
    });
  }
});
