import { assert, assertEquals } from "@std/assert";
import { slotOfTag, tagOfSlot } from "../../../../engine/redis/hash_slot.ts";

Deno.test("slotOfTag() computes the slots that the Redis cluster specification gives", () => {
  assertEquals(slotOfTag("123456789"), 0x31c3);
  assertEquals(slotOfTag("foo"), 12182);
  assertEquals(slotOfTag(""), 0);
});

Deno.test("tagOfSlot() finds a short tag for every slot, always the same", () => {
  for (let slot = 16383; slot >= 0; slot--) {
    const tag = tagOfSlot(slot);
    assertEquals(slotOfTag(tag), slot);
    assert(tag.length <= 6);
  }
  assertEquals(tagOfSlot(0), "3560");
});
