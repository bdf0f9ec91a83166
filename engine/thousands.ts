/**
 * Numbers in sentences.
 *
 * @module
 */

/** `1234567` as `1,234,567`. */
export function thousands(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
