import { assertEquals } from "@std/assert";
import { play } from "./play.ts";

/** Of so many histories one is played here; `deno task small` plays all. Primes, for every choice to come up. */
const EVERY: Readonly<Record<string, number>> = {
  straight: 7,
  "again, copies kept": 7,
  "again, originals kept": 7,
  "cut off, copies kept": 199,
  "cut off, originals kept": 199,
  adopted: 7,
  "adopted in seconds": 3,
  "adopted with its begin": 3,
  "in an unknown word": 5,
  "called applied over a failure": 5,
  "adopted with a failure": 5,
  "adopted with failed runs": 5,
};

for (const [schedule, every] of Object.entries(EVERY)) {
  Deno.test(`small histories break no promise: ${schedule}`, async () => {
    const { finds } = await play({ schedule, every, from: 0 });
    assertEquals(finds.slice(0, 10), []);
  });
}
