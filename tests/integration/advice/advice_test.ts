/**
 * Whoever does what the program advises ends well: each piece of advice is met on real servers, and followed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PROOFS } from "./proofs.ts";
import { World } from "./world.ts";

Deno.test("advice", { sanitizeOps: false, sanitizeResources: false }, async (t) => {
  await using world = await World.start();
  const only = Deno.env.get("OUTPOST_TESTS_ADVICE");
  for (const { advice, when, run } of PROOFS) {
    if (only !== undefined && !advice.includes(only)) continue;
    await t.step(`"${advice}" helps who ${when}`, async () => {
      await world.begin();
      const { code, stdout, stderr } = await run(world);
      assertEquals(code, 0, `${stdout}${stderr}`);
    });
  }
});
