import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { foreignText, harmless, harmlessLines, LONGEST_FOREIGN_TEXT } from "../../../engine/foreign_text.ts";

Deno.test("harmless() leaves names and sentences as they are", () => {
  for (
    const text of ["", "tenant:{a}::b", "Zoë, 漢字 🙂", "a # b ## c", `C:\\x "quoted" [1]`, "https://a/b::c"]
  ) {
    assertEquals(harmless(text), text);
  }
});

Deno.test("harmless() shows what steers terminals, forges lines or hides text", () => {
  assertEquals(harmless("a\x1b[8mb\r\nVerified.\x00\x7f"), "a\\x1b[8mb\\x0d\\x0aVerified.\\x00\\x7f");
  assertEquals(harmless("\x9b31m\u202egpj.exe\u2066"), "\\x9b31m\\u202egpj.exe\\u2066");
  assertEquals(harmless("z\u200bw\u2028l\u2029p\u{e0041}"), "z\\u200bw\\u2028l\\u2029p\\u{e0041}");
  assertEquals(harmless("half \ud83d pair"), "half \\ud83d pair");
});

Deno.test("harmless() leaves no command to a CI, wherever a line may be broken", () => {
  assertEquals(harmless("::add-mask::x"), "\\x3a:add-mask::x");
  assertEquals(harmless("a ::stop-commands::x"), "a \\x3a:stop-commands::x");
  assertEquals(harmless("a\n::warning::x"), "a\\x0a::warning::x");
  assertEquals(harmless("a##[set-env name=b]c"), "a\\x23#[set-env name=b]c");
  assertEquals(harmless("x ##vso[task.setvariable]"), "x \\x23#vso[task.setvariable]");
});

Deno.test("harmless() holds for any text, and takes no longer for a long one", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    const shown = harmless(text);
    assert(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(shown));
    assert(!/(^|\s)::/.test(shown));
    assertEquals(harmless(shown), shown);
    assertEquals(harmlessLines(text).split("\n").length, text.split("\n").length);
  }));
  // In time that grows with the square of the length this would take hours.
  for (const text of ["a", ":", "#", "\x1b", " :"]) harmless(text.repeat(1_000_000));
});

Deno.test("foreignText() cuts what is too long, between characters", () => {
  assertEquals(foreignText("a".repeat(LONGEST_FOREIGN_TEXT)), "a".repeat(LONGEST_FOREIGN_TEXT));
  assertEquals(foreignText("🙂".repeat(1000)), `${"🙂".repeat(LONGEST_FOREIGN_TEXT)}…`);
  assertEquals(foreignText(`${"a".repeat(500)}\x1b`), `${"a".repeat(LONGEST_FOREIGN_TEXT)}…`);
});
