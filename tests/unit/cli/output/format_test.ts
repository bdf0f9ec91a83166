import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { durationText, parseDuration } from "../../../../cli/line/duration.ts";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatTime,
} from "../../../../cli/output/format.ts";
import { printable } from "../../../../cli/output/printable.ts";
import { displayWidth, makeStyle, wantsColours } from "../../../../cli/output/style.ts";
import { closest } from "../../../../cli/line/suggest.ts";
import { cut, renderTable, wrap } from "../../../../cli/output/table.ts";

Deno.test("parseDuration() reads the forms of the documentation and no others", () => {
  const read = {
    "500ms": 500,
    "3s": 3000,
    "5m": 300_000,
    "1h": 3_600_000,
    "0": 0,
    "1.5s": 1500,
    " 2s ": 2000,
  };
  for (const [text, ms] of Object.entries(read)) assertEquals(parseDuration(text), ms, text);
  for (const text of ["", "3", "s", "-1s", "3 s", "3d", "1h30m", "1e3s", "NaN", "999999999999999999h"]) {
    assertEquals(parseDuration(text), null, text);
  }
});

Deno.test("durationText() writes what parseDuration() reads", () => {
  assertEquals([500, 3000, 90_000, 300_000, 3_600_000, 0].map(durationText), [
    "500ms",
    "3s",
    "90s",
    "5m",
    "1h",
    "0",
  ]);
  fc.assert(fc.property(fc.nat(), (ms) => assertEquals(parseDuration(durationText(ms)), ms)));
});

Deno.test("formats are readable at every size", () => {
  assertEquals([0, 999, 1000, 1_234_567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
  assertEquals([formatCounted(1, "key"), formatCounted(2, "key")], ["1 key", "2 keys"]);
  assertEquals([0, 1023, 1024, 1536, 10_240, 1_048_576, 5e12].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "10 KiB",
    "1.0 MiB",
    "4.5 TiB",
  ]);
  assertEquals([0, 999, 999.7, 1500, 59_949, 60_000, 184_000, 3_599_600, 7_500_000].map(formatDuration), [
    "0 ms",
    "999 ms",
    "1.0 s",
    "1.5 s",
    "59.9 s",
    "1 m 00 s",
    "3 m 04 s",
    "1 h 00 m",
    "2 h 05 m",
  ]);
  const now = new Date("2024-03-01T12:00:00Z");
  const ago = (seconds: number) => formatAge(new Date(now.getTime() - seconds * 1000), now);
  assertEquals([-5, 4, 600, 7200, 300_000].map(ago), [
    "0 s ago",
    "4 s ago",
    "10 minutes ago",
    "2 hours ago",
    "3 days ago",
  ]);
  assertEquals(formatTime(now), "2024-03-01 12:00:00 UTC");
});

Deno.test("renderTable() aligns columns and leaves empty ones out", () => {
  const rows = [["a", "", "5", "x"], ["bbb", "", "1,000", ""]];
  const columns = [{ title: "NAME" }, { title: "GONE" }, { title: "N", align: "right" as const }, {
    title: "WHAT",
  }];
  assertEquals(renderTable(columns, rows, { width: 80 }), [
    "NAME      N  WHAT",
    "a         5  x",
    "bbb   1,000",
  ]);
});

Deno.test("renderTable() stays within the width where a column may shrink", () => {
  const rows = [["sql/000001", "a long description that does not fit"]];
  const columns = [{ title: "ID" }, { title: "WHAT", shrinks: true }];
  assertEquals(renderTable(columns, rows, { width: 30 })[1], "sql/000001  a long descriptio…");
});

Deno.test("renderTable() puts below what does not fit beside the rest", () => {
  const rows = [["events", "64 KiB", "ACCESS EXCLUSIVE", "rewritten"], ["attempts", "8 KiB", "SHARE", ""]];
  const columns = [{ title: "TABLE" }, { title: "SIZE", align: "right" as const }, { title: "LOCK" }, {
    title: "DATA",
  }];
  assertEquals(renderTable(columns, rows, { width: 30 }), [
    "TABLE       SIZE",
    "  LOCK              DATA",
    "events    64 KiB",
    "  ACCESS EXCLUSIVE  rewritten",
    "attempts   8 KiB",
    "  SHARE",
  ]);
});

Deno.test("cut() and wrap() never exceed the width, wide characters counted as two", () => {
  assertEquals(cut("日本語テキスト", 7), "日本語…");
  assertEquals(wrap("one two three four", 9, "  "), "one two\n  three\n  four");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, width) => {
    assert(displayWidth(cut(text, width)) <= Math.max(width, 1));
  }));
});

Deno.test("wantsColours() asks the flag, NO_COLOR, FORCE_COLOR and the terminal, in this order", () => {
  assertEquals(wantsColours(undefined, {}, true), true);
  assertEquals(wantsColours(undefined, {}, false), false);
  assertEquals(wantsColours(undefined, { TERM: "dumb" }, true), false);
  assertEquals(wantsColours(undefined, { FORCE_COLOR: "1" }, false), true);
  assertEquals(wantsColours(undefined, { FORCE_COLOR: "0" }, true), false);
  assertEquals(wantsColours(undefined, { FORCE_COLOR: "1", NO_COLOR: "1" }, true), false);
  assertEquals(wantsColours(undefined, { NO_COLOR: "" }, true), true);
  assertEquals(wantsColours(true, { NO_COLOR: "1" }, false), true);
  assertEquals(wantsColours(false, { FORCE_COLOR: "1" }, true), false);
});

Deno.test("makeStyle() without colours changes nothing", () => {
  assertEquals(makeStyle({ colours: false }).red("x"), "x");
  assertEquals(displayWidth(makeStyle({ colours: true }).red("x")), 1);
});

Deno.test("closest() finds near words and only those", () => {
  assertEquals(closest("aply", ["apply", "plan"], 2), "apply");
  assertEquals(closest("xyz", ["apply", "plan"], 2), null);
});

Deno.test("printable() shows what could steer a terminal and leaves colours and text alone", () => {
  assertEquals(printable("a\x1b[31mred\x1b[39m\tb\nc ü 日本"), "a\x1b[31mred\x1b[39m\tb\nc ü 日本");
  assertEquals(printable("\x1b]0;title\x07\r\x1b[2J\x9b"), "\\x1b]0;title\\x07\\x0d\\x1b[2J\\x9b");
  assertEquals(printable("abc\u202edef"), "abc\\u202edef");
});
