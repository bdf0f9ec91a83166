import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FileError } from "../../../../cli/errors.ts";
import { readSettingsFile } from "../../../../cli/settings/file.ts";
import { isRoot } from "../../../support/server.ts";

/** Runs work in a folder that holds these files. */
async function inFolder(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const posix = Deno.build.os !== "windows";

Deno.test({
  name: "readSettingsFile() finds no file that others may write to, and reads it when it is named",
  ignore: !posix,
  async fn() {
    await inFolder({ ".env": "REDIS_HOST=a" }, async (folder) => {
      const path = `${folder}/.env`;
      for (const mode of [0o666, 0o664, 0o602]) {
        await Deno.chmod(path, mode);
        const error = await assertRejects(
          () => readSettingsFile(undefined, { searched: [path] }),
          FileError,
          "others may write to it",
        );
        assertStringIncludes(error.hint ?? "", "--config");
        assertEquals((await readSettingsFile(path))?.values.get("REDIS_HOST"), "a");
      }
      for (const mode of [0o644, 0o600, 0o440]) {
        await Deno.chmod(path, mode);
        assertEquals((await readSettingsFile(undefined, { searched: [path] }))?.found, true);
      }
    });
  },
});

Deno.test({
  name: "readSettingsFile() finds no file of another user",
  ignore: !posix || !isRoot(),
  async fn() {
    await inFolder({ ".env": "REDIS_HOST=a" }, async (folder) => {
      await Deno.chown(`${folder}/.env`, 65534, 65534);
      await assertRejects(
        () => readSettingsFile(undefined, { searched: [`${folder}/.env`] }),
        FileError,
        "it belongs to another user",
      );
    });
  },
});
