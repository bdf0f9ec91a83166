import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Dwindling } from "../../../../engine/postgres/prepare/dwindling.ts";

Deno.test("Dwindling.by() bears looks in vain only so often, and counts anew whenever it is less by a tenth", () => {
  const dwindling = new Dwindling(3);
  assertEquals([100, 95, 91, 89, 89, 85, 80, 81, 500, 79].map((left) => dwindling.by(left)), [
    ...[true, true, true],
    // Less than nine tenths of 100, and then in vain twice.
    ...[true, true, true],
    // Less than nine tenths of 89.
    ...[true, true, true],
    false,
  ]);
});

Deno.test("Dwindling.by() comes to an end whatever it is told", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(1_000_000)), fc.integer({ min: 1, max: 4 }), (numbers, looks) => {
      const dwindling = new Dwindling(looks);
      // Twenty orders of magnitude would be 437 tenths.
      for (let look = 0; look < 1000; look++) {
        if (!dwindling.by(numbers.next().value!)) return;
      }
      throw new Error("It goes on");
    }),
  );
});
