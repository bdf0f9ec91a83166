import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { checksumLine } from "../../../scripts/checksums.ts";

Deno.test("checksumLine() writes what sha256sum --check reads", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "outpost-linux-x64");
    await Deno.writeTextFile(file, "abc");
    // The hash of "abc" is an example in the standard itself.
    assertEquals(
      await checksumLine(file),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  outpost-linux-x64\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
