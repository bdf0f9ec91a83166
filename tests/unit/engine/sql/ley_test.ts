import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { RegistryError } from "../../../../engine/errors.ts";
import { type LeyRun, listThroughLey, runThroughLey } from "../../../../engine/sql/ley.ts";

const STEPS = ["a", "b", "c", "d"].map((name, i) => ({ version: i + 1, name }));
const FILES = STEPS.map(({ version, name }) => `00000${version}_${name}.ts`);

/** A folder with empty files, gone after the work. */
async function withFolder(
  files: readonly string[],
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    for (const file of files) await Deno.writeTextFile(join(directory, file), "");
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function ran(changes: Partial<LeyRun>): Promise<number[]> {
  const versions: number[] = [];
  await runThroughLey({
    direction: "up",
    directory: null,
    steps: STEPS,
    versions: [2, 3, 4],
    run: (version) => Promise.resolve(void versions.push(version)),
    ...changes,
  });
  return versions;
}

Deno.test("runThroughLey() runs what ley hands over, up and down, all of it or its beginning", async () => {
  await withFolder(FILES, async (directory) => {
    assertEquals(await ran({ directory }), [2, 3, 4]);
    assertEquals(await ran({ directory, versions: [1, 2] }), [1, 2]);
    assertEquals(await ran({ directory, direction: "down", versions: [4, 3] }), [4, 3]);
    assertEquals(await ran({ directory, direction: "down", versions: [2, 1] }), [2, 1]);
    assertEquals(await ran({ directory, versions: [] }), []);
  });
});

Deno.test("runThroughLey() takes the order of the registry where there is no folder", async () => {
  assertEquals(await ran({}), [2, 3, 4]);
  assertEquals(await ran({ direction: "down", versions: [3, 2] }), [3, 2]);
});

Deno.test("runThroughLey() passes on what a step throws, and runs nothing after it", async () => {
  await withFolder(FILES, async (directory) => {
    const error = new Error("Broken");
    const seen: number[] = [];
    const run = (version: number) => {
      seen.push(version);
      return version === 3 ? Promise.reject(error) : Promise.resolve();
    };
    assertEquals(await assertRejects(() => ran({ directory, run })), error);
    assertEquals(seen, [2, 3]);
  });
});

Deno.test("runThroughLey() runs nothing when the folder and the registry disagree", async () => {
  const edited = [FILES[0]!, "000002_edited.ts", ...FILES.slice(2)];
  await withFolder(edited, async (directory) => {
    await assertRejects(() => ran({ directory }), RegistryError, "000002_edited.ts");
    assertEquals(await ran({ directory, versions: [1] }), [1]);
  });
  await withFolder([...FILES, "000003_more.ts"], async (directory) => {
    await assertRejects(() => ran({ directory }), RegistryError, "000003_more.ts");
  });
  await withFolder(FILES.slice(0, 1), async (directory) => {
    await assertRejects(() => ran({ directory }), RegistryError, "nothing left");
  });
});

Deno.test("listThroughLey() finds the files of a folder in ley's order", async () => {
  await withFolder(["10-b.js", "9-a.ts", "readme.md", "11-c.mjs"], async (directory) => {
    const files = await listThroughLey(directory);
    assertEquals(
      files,
      ["9-a.ts", "10-b.js", "11-c.mjs"].map((name) => ({ name, abs: join(directory, name) })),
    );
  });
});
