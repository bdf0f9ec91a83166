/**
 * Durations as people write them.
 *
 * @module
 */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads `500ms`, `3s`, `5m`, `1h` or `0`; fractions such as `1.5s` are allowed.
 *
 * @returns Milliseconds, or null when the text is no duration.
 */
export function parseDuration(text: string): number | null {
  if (text.trim() === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null) return null;
  const ms = Math.round(Number(match[1]) * UNITS[match[2]!]!);
  return Number.isSafeInteger(ms) ? ms : null;
}

/** Writes milliseconds in the form that {@linkcode parseDuration} reads: the largest unit that divides them. */
export function durationText(ms: number): string {
  if (ms === 0) return "0";
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => ms % size === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}
