/**
 * SCAN: one page of keys, and how far a walk by it is.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { type Binary, fromBytes, toArgument } from "./binary.ts";
import { senselessAnswer } from "./errors.ts";

/** Where to go on, and what was there. */
export interface KeyPage {
  /** `0` after the last one. */
  readonly next: string;
  readonly keys: readonly Binary[];
}

/** Asks one server for the keys of a page that match. @throws {StoreUnreachableError} When what answers is no Redis. */
export async function scanPage(
  client: Redis,
  { cursor, pattern, count }: { readonly cursor: string; readonly pattern: Binary; readonly count: number },
): Promise<KeyPage> {
  const reply = await client.callBuffer("SCAN", [
    ...[cursor, "MATCH", toArgument(pattern), "COUNT", String(count)],
  ]) as [Uint8Array, Uint8Array[]] | null;
  if (!Array.isArray(reply?.[1]) || !(reply[0] instanceof Uint8Array)) throw senselessAnswer("SCAN");
  return { next: fromBytes(reply[0]), keys: reply[1].map(fromBytes) };
}

/**
 * How much of the keys a cursor of SCAN has passed by, 0 to 1. It counts places of the table with their bits turned round, and so
 * tells the share however much the table grows meanwhile, as it does when records are copied.
 */
export function shareOfCursor(cursor: string): number {
  let share = 0;
  let weight = 0.5;
  for (let bits = BigInt(cursor); bits > 0n; bits >>= 1n, weight /= 2) {
    if ((bits & 1n) === 1n) share += weight;
  }
  return share;
}
