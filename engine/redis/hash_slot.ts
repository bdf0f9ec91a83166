/**
 * Hash slots of a Redis cluster: which slot a key falls into, and a hash tag for a wanted slot.
 *
 * @module
 */

import type { Binary } from "./binary.ts";

/** Slots of every Redis cluster. */
export const SLOTS = 16384;

/** What each byte does to {@linkcode crc16}. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

/** CRC-16 of XMODEM, which Redis hashes keys with. */
function crc16(bytes: Binary): number {
  let crc = 0;
  for (let i = 0; i < bytes.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ bytes.charCodeAt(i)]!;
  }
  return crc;
}

/** The slot of a key: of its first hash tag where that is not empty, else of the whole key. */
export function keySlot(key: Binary): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS;
}

/** Tags found so far. The same slot always gets the same tag, in every process. */
const tags = new Map<number, string>();
let tried = 0;

/**
 * A hash tag that falls into a slot: the smallest decimal number that does.
 *
 * @param slot 0 to 16383.
 */
export function tagOfSlot(slot: number): string {
  while (!tags.has(slot)) {
    const candidate = String(tried++);
    const found = keySlot(candidate);
    if (!tags.has(found)) tags.set(found, candidate);
  }
  return tags.get(slot)!;
}
