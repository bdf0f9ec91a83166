/**
 * The hash slot of a key.
 *
 * @module
 */

import type { Binary } from "./binary.ts";
import { slotOfTag } from "./hash_slot.ts";

/** The slot of a key: of its first hash tag where that is not empty, else of the whole key. */
export function keySlot(key: Binary): number {
  const open = key.indexOf("{");
  if (open < 0) return slotOfTag(key);
  const close = key.indexOf("}", open + 1);
  return slotOfTag(close > open + 1 ? key.slice(open + 1, close) : key);
}
