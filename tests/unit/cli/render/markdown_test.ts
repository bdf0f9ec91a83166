import { assertEquals } from "@std/assert";
import { fencedMarkdown } from "../../../../cli/render/markdown.ts";

Deno.test("fencedMarkdown() lets nothing out of its fence", () => {
  assertEquals(fencedMarkdown("plan", "a\nb", "Next: c"), "### plan\n\n```text\na\nb\n```\n\nNext: c\n");
  const hostile = "key ```\n# heading\n````\n<img src=x>";
  const [, fence] = /\n\n(`+)text\n/.exec(fencedMarkdown("plan", hostile, ""))!;
  assertEquals(fence, "`````");
});
