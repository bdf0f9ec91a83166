/**
 * Hashes that tell whether something is still what it was.
 *
 * @module
 */

import { createHash } from "node:crypto";

/**
 * SHA-256 of a value's canonical JSON: keys sorted at every depth, so that the order of writing does not count.
 *
 * @returns 64 hex digits.
 */
export function digestOf(value: unknown): string {
  return checksumOf(
    JSON.stringify(
      value,
      (_key, inner) =>
        inner !== null && typeof inner === "object" && !Array.isArray(inner)
          ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
          : inner,
    ),
  );
}

/** SHA-256 of a text. @returns 64 hex digits. */
export function checksumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
