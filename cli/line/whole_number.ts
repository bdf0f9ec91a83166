/**
 * Reads whole numbers from the command line.
 *
 * @module
 */

import { UsageError } from "../errors.ts";

/** @throws {UsageError} When the text is no whole number of at least `min`. */
export function readWholeNumber(name: string, text: string, { min }: { readonly min: number }): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(`${name} must be a whole number of at least ${min}, and is "${text}"`);
}
