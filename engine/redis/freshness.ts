/**
 * Whether anything of an installation is in Redis yet.
 *
 * @module
 */

import { type Binary, encodeText, escapePattern } from "./binary.ts";
import type { RedisLayout } from "./layout.ts";
import type { RedisStore } from "./store.ts";
import { anyKey } from "./walk/key_search.ts";

/**
 * Looks for keys that a used installation has, in one walk, and stops at the first.
 *
 * @throws {InterruptedError} When the signal fired.
 */
export async function isFresh(store: RedisStore, layout: RedisLayout, signal: AbortSignal): Promise<boolean> {
  const prefixes = layout.usedPrefixes.map(encodeText);
  const isUsed = (key: Binary) => prefixes.some((prefix) => key.startsWith(prefix)) && !layout.isIgnored(key);
  return !await anyKey(store, commonPattern(prefixes), signal, (keys) => keys.some(isUsed));
}

/** A SCAN pattern for all of these beginnings at once: for each byte the choices, as far as the shortest goes. */
function commonPattern(prefixes: readonly Binary[]): Binary {
  const length = Math.min(...prefixes.map((prefix) => prefix.length));
  const choices = Array.from({ length }, (_, at) => {
    const bytes = new Set(prefixes.map((prefix) => escapePattern(prefix[at]!)));
    return `[${[...bytes].join("")}]`;
  });
  return `${choices.join("")}*`;
}
