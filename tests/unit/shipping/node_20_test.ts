/** What the oldest Node that the library runs on does not have is nowhere in it, also where its own test there does not come by. */

import { assertEquals } from "@std/assert";

/** Names of Deno, and of what newer engines of JavaScript have: none of them is in Node 20. */
const TOO_NEW =
  /\bDeno\.|\bPromise\.(withResolvers|try)\b|\b(Object|Map)\.groupBy\b|\bArray\.fromAsync\b|\bRegExp\.escape\b|\bIterator\.|\b(await )?using \w+ =|DisposableStack|import\.meta\.(dirname|filename)/;

Deno.test("the library names nothing that Node 20 does not have", async () => {
  const found: string[] = [];
  for (const folder of ["engine", "migrations", "testing"]) {
    for await (const [file, text] of sources(new URL(`../../../${folder}/`, import.meta.url))) {
      text.split("\n").forEach((line, i) => {
        const code = line.replace(/^\s*(\/?\*|\/\/).*| \/\/ .*/, "");
        if (TOO_NEW.test(code)) found.push(`${file}:${i + 1}: ${line.trim()}`);
      });
    }
  }
  assertEquals(found, []);
});

async function* sources(folder: URL): AsyncGenerator<readonly [file: string, text: string]> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) yield* sources(url);
    else if (name.endsWith(".ts")) {
      yield [url.pathname.split("/").slice(-3).join("/"), await Deno.readTextFile(url)];
    }
  }
}
