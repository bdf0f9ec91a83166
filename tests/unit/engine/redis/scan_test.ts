import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { shareOfCursor } from "../../../../engine/redis/scan.ts";

/** The next cursor of SCAN in a table of so many places: a counter whose bits are turned round. */
function nextCursor(cursor: bigint, places: bigint): bigint {
  let bit = places >> 1n;
  while (bit > 0n && (cursor & bit) !== 0n) [cursor, bit] = [cursor ^ bit, bit >> 1n];
  return cursor | bit;
}

Deno.test("shareOfCursor() is the part of the places that was passed by, also when the table grows on the way", () => {
  assertEquals(["0", "1", "2", "3", "6"].map(shareOfCursor), [0, 0.5, 0.25, 0.75, 0.375]);
  fc.assert(fc.property(
    fc.integer({ min: 3, max: 10 }),
    fc.integer({ min: 0, max: 3 }),
    fc.nat(),
    (bits, doublings, seed) => {
      let places = 1n << BigInt(bits);
      const growAt = seed % Number(places);
      let cursor = 0n;
      let last = 0;
      for (let i = 1; (cursor = nextCursor(cursor, places)) !== 0n; i++) {
        const share = shareOfCursor(String(cursor));
        assert(share > last && share < 1);
        if (i <= growAt) assertAlmostEquals(share, i / Number(1n << BigInt(bits)), 1e-9);
        if (i === growAt) places <<= BigInt(doublings);
        last = share;
      }
    },
  ));
});
