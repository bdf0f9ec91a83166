import { assert, assertEquals } from "@std/assert";
import { keySlot, tagOfSlot } from "../../../../engine/redis/hash_slot.ts";

Deno.test("keySlot() hashes the first hash tag, or the whole key, as the specification of a Redis cluster says", () => {
  assertEquals(keySlot("123456789"), 0x31c3);
  assertEquals(keySlot("foo"), 12182);
  assertEquals(keySlot(""), 0);
  assertEquals(keySlot("tenant:{user1000}:tenant"), keySlot("{user1000}.x"));
  assertEquals(keySlot("foo{}{bar}"), 8363);
  assertEquals(keySlot("foo{{bar}}zap"), 4015);
  assertEquals(keySlot("foo{bar}{zap}"), keySlot("bar"));
});

Deno.test("tagOfSlot() finds a short tag for every slot, always the same", () => {
  for (let slot = 16383; slot >= 0; slot--) {
    const tag = tagOfSlot(slot);
    assertEquals(keySlot(tag), slot);
    assert(tag.length <= 6);
  }
  assertEquals(tagOfSlot(0), "3560");
});
