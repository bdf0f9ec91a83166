/**
 * Hashes that tell whether something is still what it was.
 *
 * @module
 */

/**
 * SHA-256 of a value's canonical JSON: keys sorted at every depth, so that the order of writing does not count.
 *
 * @returns 64 hex digits.
 */
export async function digestOf(value: unknown): Promise<string> {
  return await checksumOf(
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
export async function checksumOf(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
