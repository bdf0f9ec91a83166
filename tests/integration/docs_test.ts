import { assertEquals } from "@std/assert";
import { staleDocs } from "../../scripts/docs.ts";

Deno.test("all generated text is what the program says now: deno task docs writes it anew", async () => {
  assertEquals(await staleDocs(), []);
});
