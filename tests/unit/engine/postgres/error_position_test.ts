import { assertEquals } from "@std/assert";
import { errorPosition } from "../../../../engine/postgres/error_position.ts";

Deno.test("errorPosition() finds line and column, counted from 1", () => {
  assertEquals(errorPosition("SELECT x", 8), { line: 1, column: 8, excerpt: "SELECT x\n       ^" });
  assertEquals(errorPosition("SELECT\n  x\nFROM t", 10), { line: 2, column: 3, excerpt: "  x\n  ^" });
  assertEquals(errorPosition("a\n\nb", 4), { line: 3, column: 1, excerpt: "b\n^" });
});

Deno.test("errorPosition() counts characters as the server does, not UTF-16 units", () => {
  assertEquals(errorPosition("SELECT '😀😀', x", 14), {
    line: 1,
    column: 14,
    excerpt: "SELECT '😀😀', x\n             ^",
  });
});

Deno.test("errorPosition() keeps tabs in front of the caret and drops a carriage return", () => {
  assertEquals(errorPosition("SELECT 1,\r\n\t\tx\r\n", 14), { line: 2, column: 3, excerpt: "\t\tx\n\t\t^" });
});

Deno.test("errorPosition() may point behind the last character, and nowhere outside", () => {
  assertEquals(errorPosition("SELECT", 7), { line: 1, column: 7, excerpt: "SELECT\n      ^" });
  assertEquals(errorPosition("", 1), { line: 1, column: 1, excerpt: "\n^" });
  for (const position of [0, -1, 8, 1.5, NaN]) assertEquals(errorPosition("SELECT", position), null);
});
