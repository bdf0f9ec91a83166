/**
 * What removes secrets from what is printed, and what stands in their place.
 *
 * @module
 */

/** In the place of a secret. */
export const HIDDEN = "[hidden]";

/** Removes secrets from a text. Given values, never what was made of them: in finished JSON it would break the JSON. */
export type Scrub = (text: string) => string;

/** Cleans every text of a value; keys stay as they are. */
export function cleanValue<T>(value: T, clean: Scrub): T {
  if (typeof value === "string") return clean(value) as T;
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, clean)) as T;
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cleanValue(item, clean)])) as T;
}
