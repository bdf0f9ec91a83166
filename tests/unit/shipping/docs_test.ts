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

Deno.test("docs/library.md names every option of every method", async () => {
  const text = await Deno.readTextFile(new URL("library.md", folder));
  const engine = new URL("../../../engine/", import.meta.url);
  const methods = await Deno.readTextFile(new URL("engine.ts", engine)) +
    await Deno.readTextFile(new URL("create_engine.ts", engine));
  const missing: string[] = [];
  for await (const { name } of Deno.readDir(engine)) {
    if (!name.endsWith(".ts")) continue;
    const source = await Deno.readTextFile(new URL(name, engine));
    for (const [, options, body] of source.matchAll(/export interface (\w+Options)\b.*?\{\n(.*?)^\}/gms)) {
      if (!methods.includes(`: ${options}`)) continue;
      for (const [, option] of body!.matchAll(/^ {2}readonly (\w+)\??:/gm)) {
        if (!text.includes(`\`${option}\``)) missing.push(`${name}: ${options}.${option}`);
      }
    }
  }
  assertEquals(missing, []);
});
