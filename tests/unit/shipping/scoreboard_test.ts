import { assertEquals } from "@std/assert";
import { scoreboardEntries } from "../../../scripts/scoreboard_page.ts";
import { KNOWN_FAILURES, NOT_SHOWN } from "../../scoreboard/known_failures.ts";

Deno.test("every known failure is shown on the scoreboard, or said not to be, and nothing else", async () => {
  const shown = await scoreboardEntries();
  const unknown = shown.filter((entry) => !(entry in KNOWN_FAILURES));
  assertEquals(unknown, []);
  const gaps = Object.keys(KNOWN_FAILURES).filter((entry) => !shown.includes(entry) && !(entry in NOT_SHOWN));
  assertEquals(gaps, []);
  assertEquals(Object.keys(NOT_SHOWN).filter((entry) => shown.includes(entry)), []);
});
