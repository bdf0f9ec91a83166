import { assert, assertEquals } from "@std/assert";
import { TARGETS } from "../../../scripts/compile.ts";

const DOCS = ["install.md", "deploy.md"];
const folder = new URL("../../../docs/", import.meta.url);

Deno.test("docs/install.md and docs/deploy.md link to files that exist", async () => {
  for (const name of DOCS) {
    const text = await Deno.readTextFile(new URL(name, folder));
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert((await Deno.stat(new URL(target!, folder))).isFile, `${name}: ${target}`);
    }
  }
});

Deno.test("docs/install.md names every binary", async () => {
  const text = await Deno.readTextFile(new URL("install.md", folder));
  const named = [...text.matchAll(/`(outpost-(?:linux|macos|windows)-[\w.]+)`/g)].map(([, name]) => name!);
  assertEquals([...new Set(named)].sort(), Object.values(TARGETS).sort());
});
