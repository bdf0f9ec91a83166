/**
 * Hash slots of a Redis cluster: which slot a key falls into, and a hash tag for a wanted slot.
 *
 * @module
 */

/** Slots of every Redis cluster. */
const SLOTS = 16384;

/** What each byte does to {@linkcode crc16}. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

/** CRC-16 of XMODEM, which Redis hashes keys with. */
function crc16(text: string): number {
  let crc = 0;
  for (let i = 0; i < text.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ text.charCodeAt(i)]!;
  }
  return crc;
}

/** The slot of a hash tag. @param tag ASCII, without braces. */
export function slotOfTag(tag: string): number {
  return crc16(tag) % SLOTS;
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
    const found = slotOfTag(candidate);
    if (!tags.has(found)) tags.set(found, candidate);
  }
  return tags.get(slot)!;
}
