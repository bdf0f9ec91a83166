/**
 * One page of keys.
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
