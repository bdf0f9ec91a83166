import { assertEquals } from "@std/assert";
import { countLosses } from "../../../engine/sql/forecast.ts";

Deno.test("countLosses() tells numbers as they are told anywhere, and says nothing of what is not there", async () => {
  const counter = { rows: (query: string) => Promise.resolve(query === "held" ? null : Number(query)) };
  const warnings = [
    { text: "rows lose a column", rows: "1234567" },
    { text: "rows lose another", rows: "0" },
    { text: "rows lose a third", rows: "held" },
    { text: "Comments are gone", rows: null },
  ];
  assertEquals(await countLosses({ warnings } as never, counter as never), [
    "1,234,567 rows lose a column",
    "rows lose a third",
    "Comments are gone",
  ]);
});
