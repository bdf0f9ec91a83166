import { assert, assertEquals } from "@std/assert";
import { PERMISSIONS } from "../../../scripts/permissions.ts";

const docs = await Deno.readTextFile(new URL("../../../docs/install.md", import.meta.url));

Deno.test("PERMISSIONS are the ones that docs/install.md names, each with a reason", () => {
  const table = [...docs.matchAll(/^\| `(--[^`]+)` *\| (.+?) *\|$/gm)];
  assertEquals(table.map(([, flag]) => flag), [...PERMISSIONS]);
  for (const [, flag, reason] of table) assert(reason!.length > 20, flag);
});

Deno.test("PERMISSIONS neither grant everything nor ask", () => {
  assert(PERMISSIONS.includes("--no-prompt"));
  for (const flag of ["-A", "--allow-all", "--allow-ffi", "--allow-import", "--allow-sys"]) {
    assert(!PERMISSIONS.includes(flag), flag);
  }
});
