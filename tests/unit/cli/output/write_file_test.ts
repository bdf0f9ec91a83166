import { assert, assertEquals, assertRejects } from "@std/assert";
import { FileError } from "../../../../cli/errors.ts";
import { writeFile } from "../../../../cli/output/write_file.ts";

Deno.test({
  name: "writeFile() writes for the owner alone, in place of what was there, and leaves nothing else behind",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/plan.json`;
      await Deno.writeTextFile(path, "old", { mode: 0o644 });
      await writeFile(path, "new");
      assertEquals(await Deno.readTextFile(path), "new");
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["plan.json"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "writeFile() writes through no link and over nothing but a file",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/precious`, "mine");
      await Deno.symlink(`${folder}/precious`, `${folder}/link`);
      await Deno.symlink(`${folder}/missing`, `${folder}/dangling`);
      await Deno.mkdir(`${folder}/folder`);
      await assertRejects(() => writeFile(`${folder}/link`, "x"), FileError, "it is a link");
      await assertRejects(() => writeFile(`${folder}/dangling`, "x"), FileError, "it is a link");
      await assertRejects(() => writeFile(`${folder}/folder`, "x"), FileError, "it is a directory");
      await assertRejects(() => writeFile("/dev/null", "x"), FileError, "it is no ordinary file");
      await assertRejects(() => writeFile(`${folder}/a/b`, "x"), FileError, "its folder does not exist");
      await assertRejects(() => writeFile(`${folder}/precious/b`, "x"), FileError, "not a directory");
      assertEquals(await Deno.readTextFile(`${folder}/precious`), "mine");
      assert((await Deno.lstat("/dev/null")).isCharDevice);
      assertEquals([...Deno.readDirSync(folder)].length, 4);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
