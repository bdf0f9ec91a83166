/** What options may be is what their types say, also for callers who compile with `exactOptionalPropertyTypes`. */

import { assertEquals } from "@std/assert";
import ts from "typescript";
import { fromFileUrl } from "@std/path";

/** Interfaces of the library that callers fill in, of which each method takes what is `undefined` as left out. */
const FILLED_IN = /Options$|^(Pace|Names|Registry|RedisLockNames|PostgresStore|ClickHouseStore)$/;

Deno.test("every option of the library may be undefined, as it may be left out", async () => {
  const library = ["mod.ts", "testing/mod.ts"];
  const strict: string[] = [];
  let count = 0;
  for (const entry of library) {
    const text = await Deno.readTextFile(new URL(`../../../${entry}`, import.meta.url));
    const folder = new URL(`../../../${entry}`, import.meta.url);
    for (const [, names, path] of text.matchAll(/^export (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)) {
      const wanted = names!.split(",").map((name) => name.replace("type ", "").trim())
        .filter((name) => FILLED_IN.test(name));
      if (wanted.length === 0) continue;
      const file = new URL(path!, folder);
      const source = ts.createSourceFile(
        fromFileUrl(file),
        await Deno.readTextFile(file),
        ts.ScriptTarget.Latest,
        true,
      );
      source.forEachChild((node) => {
        if (!ts.isInterfaceDeclaration(node) || !wanted.includes(node.name.text)) return;
        for (const member of node.members) {
          if (!ts.isPropertySignature(member) || member.questionToken === undefined) continue;
          count++;
          if (!/\| undefined$/.test(member.type!.getText())) {
            strict.push(`${node.name.text}.${member.name.getText()}`);
          }
        }
      });
    }
  }
  assertEquals([strict, count > 25], [[], true], `${count} options`);
});
