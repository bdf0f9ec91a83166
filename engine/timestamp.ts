/**
 * Both forms in which a time may be stored: RFC 3339 text and Unix milliseconds.
 *
 * @module
 */

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MILLISECONDS = /^[+-]?\d{1,19}$/;
/** The farthest a `Date` reaches from 1970, in milliseconds. */
const LIMIT = 8.64e15;

/** True for a stored time that is a decimal number already. */
export function isNumericTimestamp(text: string): boolean {
  return MILLISECONDS.test(text);
}

/**
 * Reads a stored time in either form: RFC 3339 with any offset and 0 to 9 fraction digits, or Unix milliseconds as a
 * decimal string. What is finer than a millisecond is cut off, towards the past, as released Outpost versions do.
 *
 * @returns The time, or null when the text is neither.
 *
 * @example
 * ```ts
 * import { parseTimestamp } from "@outpost/migrate";
 *
 * parseTimestamp("2024-01-15T10:30:00.5+07:00")?.getTime(); // 1705289400500
 * parseTimestamp("1705289400500")?.getTime(); // 1705289400500
 * ```
 */
export function parseTimestamp(text: string): Date | null {
  const milliseconds = isNumericTimestamp(text) ? Number(text) : parseRfc3339(text);
  return milliseconds === null || Math.abs(milliseconds) > LIMIT ? null : new Date(milliseconds);
}

/** @returns Unix milliseconds, or null when the text is no valid RFC 3339 time. */
function parseRfc3339(text: string): number | null {
  const parts = RFC3339.exec(text);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const fraction = Number((parts[7] ?? "").padEnd(3, "0").slice(0, 3));
  const offset = (offsetHour * 60 + offsetMinute) * 60_000 * (parts[8] === "-" ? -1 : 1);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset;
}
