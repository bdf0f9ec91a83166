/**
 * What somebody probably meant.
 *
 * @module
 */

import { levenshteinDistance } from "@std/text";

/**
 * The word nearest to what was written.
 *
 * @param most How many letters may differ.
 * @returns Null when none is near.
 */
export function closest(written: string, words: readonly string[], most: number): string | null {
  let best: string | null = null;
  let fewest = Math.min(most, Math.ceil(written.length / 2)) + 1;
  for (const word of words) {
    const distance = levenshteinDistance(written.toLowerCase(), word.toLowerCase());
    if (distance < fewest) [best, fewest] = [word, distance];
  }
  return best;
}
