/**
 * The ways in which a key can be read: an ID may hold anything, colons and braces too.
 *
 * @module
 */

import type { Binary } from "../../engine/redis/binary.ts";

/** Where a part can end and another begin. An empty part in front is none. */
export function colons(text: Binary): number[] {
  return someOf(occurrences(text, ":"));
}

/** Ways to read a key that are looked into at either end: each costs as many bytes as the key has, and some have thousands. */
const READINGS = 32;

/** All, or those at either end of very many. */
export function someOf<T>(all: readonly T[]): T[] {
  return hasTooMany(all) ? [...all.slice(0, READINGS), ...all.slice(-READINGS)] : [...all];
}

/** True where some are left out. */
export function hasTooMany(all: readonly unknown[]): boolean {
  return all.length > 2 * READINGS;
}

/** Where a part stands in a text, but for its very beginning. */
export function occurrences(text: Binary, part: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(part, 1); at > 0; at = text.indexOf(part, at + 1)) found.push(at);
  return found;
}

/** Every way to read a key as `{<inner>}:<suffix>`. */
export function braces(rest: Binary): { readonly inner: Binary; readonly suffix: Binary }[] {
  if (!rest.startsWith("{")) return [];
  return someOf(occurrences(rest, "}:")).map((at) => ({
    inner: rest.slice(1, at),
    suffix: rest.slice(at + 2),
  }));
}
