import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { RegistryError } from "../../../../engine/errors.ts";
import { type LeyRun, runThroughLey } from "../../../../engine/sql/ley.ts";

const FILES = ["000001_a.ts", "000002_b.ts", "000010_c.ts"];

async function ran(changes: Partial<LeyRun>): Promise<string[]> {
  const names: string[] = [];
  await runThroughLey({
    direction: "up",
    directory: null,
    files: FILES,
    applied: 1,
    expected: "000002_b.ts",
    run: (file) => Promise.resolve(void names.push(file)),
    ...changes,
  });
  return names;
}

Deno.test("runThroughLey() runs the next step, or takes the last one back", async () => {
  assertEquals(await ran({}), ["000002_b.ts"]);
  assertEquals(await ran({ applied: 0, expected: "000001_a.ts" }), ["000001_a.ts"]);
  assertEquals(await ran({ applied: 2, expected: "000010_c.ts" }), ["000010_c.ts"]);
  assertEquals(await ran({ direction: "down", applied: 3, expected: "000010_c.ts" }), ["000010_c.ts"]);
  assertEquals(await ran({ direction: "down", applied: 1, expected: "000001_a.ts" }), ["000001_a.ts"]);
});

Deno.test("runThroughLey() passes on what the step throws", async () => {
  const error = new Error("Broken");
  assertEquals(await assertRejects(() => ran({ run: () => Promise.reject(error) })), error);
});

Deno.test("runThroughLey() runs nothing when the folder and the registry disagree", async () => {
  const directory = await Deno.makeTempDir();
  try {
    for (const file of ["000001_a.ts", "000002_edited.ts", "000010_c.ts"]) {
      await Deno.writeTextFile(join(directory, file), "");
    }
    await assertRejects(() => ran({ directory }), RegistryError, "000002_edited.ts");
    await assertRejects(() => ran({ expected: "000010_c.ts" }), RegistryError);
    await assertRejects(() => ran({ applied: 3, expected: "000011_d.ts" }), RegistryError, "nothing left");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
