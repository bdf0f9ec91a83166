import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isNumericTimestamp, parseTimestamp } from "../../../engine/timestamp.ts";

Deno.test("parseTimestamp() reads RFC 3339 with any offset and 0 to 9 fraction digits", () => {
  const cases: [string, number][] = [
    ["2024-01-15T10:30:00Z", 1705314600000],
    ["2024-01-15t10:30:00z", 1705314600000],
    ["2024-01-15T10:30:00.123456789+07:00", 1705289400123],
    ["2024-01-15T10:30:00.5-01:30", 1705320000500],
    ["2024-01-15T10:30:00.0009Z", 1705314600000],
    ["2024-02-29T23:59:59.999999999Z", 1709251199999],
    ["2000-02-29T00:00:00Z", 951782400000],
    ["1969-12-31T23:59:59.9Z", -100],
    ["0001-01-01T00:00:00Z", -62135596800000],
    ["2024-01-15T10:30:00+00:00", 1705314600000],
    ["1705289400123", 1705289400123],
    ["-1", -1],
    ["0", 0],
  ];
  for (const [text, expected] of cases) assertEquals(parseTimestamp(text)?.getTime(), expected, text);
});

Deno.test("parseTimestamp() returns null for anything else", () => {
  for (
    const text of [
      ...[
        "",
        " ",
        "yesterday",
        "2024-01-15",
        "2024-01-15T10:30:00",
        "2024-01-15T10:30Z",
        "2024-13-15T10:30:00Z",
      ],
      ...["2024-02-30T10:30:00Z", "2023-02-29T10:30:00Z", "2024-01-15T24:00:00Z", "2024-01-15T10:60:00Z"],
      ...[
        "2024-01-15T10:30:00.1234567890Z",
        "2024-01-15T10:30:00.Z",
        "2024-01-15T10:30:00+7:00",
        "1.5",
        "1e3",
      ],
      ...[
        "2024-01-15T10:30:00Z ",
        "99999999999999999999",
        "9999999999999999999",
        "0x10",
        "2024-01-15T10:30:00+24:00",
        "2024-01-15T10:30:00+07:60",
        "1900-02-29T00:00:00Z",
      ],
    ]
  ) assertEquals(parseTimestamp(text), null, text);
});

Deno.test("parseTimestamp() reads what a Date writes, in both forms", () => {
  fc.assert(fc.property(
    fc.date({
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true,
    }),
    (date) => {
      assertEquals(parseTimestamp(date.toISOString()), date);
      assertEquals(parseTimestamp(String(date.getTime())), date);
    },
  ));
});

Deno.test("isNumericTimestamp() takes whole decimal numbers only", () => {
  for (const text of ["0", "1705289400123", "-62135596800000"]) assertEquals(isNumericTimestamp(text), true);
  for (const text of ["", "1.5", "2024-01-15T10:30:00Z", "12a", " 1"]) {
    assertEquals(isNumericTimestamp(text), false);
  }
});
