import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { referencePages } from "../../../scripts/reference_pages.ts";

Deno.test("the reference in docs/ is what the program says of itself", async () => {
  for (const [path, text] of referencePages()) {
    const file = fromFileUrl(new URL(`../../../${path}`, import.meta.url));
    assertEquals(
      await Deno.readTextFile(file),
      text,
      `${path} is stale: deno task docs writes it anew`,
    );
  }
});
