/**
 * Both forms in which a time may be stored: RFC 3339 text and Unix milliseconds.
 *
 * @module
 */

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;
const MILLISECONDS = /^[+-]?\d{1,19}$/;
/** The farthest a `Date` reaches from 1970, in milliseconds. */
const LIMIT = 8.64e15;
/** 400 years of the Gregorian calendar, in milliseconds. */
const FOUR_CENTURIES = 146_097 * 86_400_000;

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
  if (!RFC3339.test(text)) return null;
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)];
  const hasOffset = text.at(-3) === ":"; // Otherwise it ends with a "Z".
  const zone = hasOffset ? text.length - 6 : text.length - 1;
  const [offsetHour, offsetMinute] = hasOffset
    ? [digits(text, zone + 1, zone + 3), digits(text, zone + 4, zone + 6)]
    : [0, 0];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return null;
  const fraction = digits(text, 20, Math.min(23, zone)) * 10 ** Math.max(0, 23 - zone);
  // Date.UTC would take the years 0 to 99 for 1900 to 1999; the calendar repeats itself after 400 years.
  const time = Date.UTC(year + 400, month - 1, day, hour, minute, second) - FOUR_CENTURIES;
  const offset = (offsetHour * 60 + offsetMinute) * 60_000;
  return time + (zone > 20 ? fraction : 0) - (text[zone] === "-" ? -offset : offset);
}

/** The number that the characters from `start` to before `end` make. Cutting them out would take several times as long. */
function digits(text: string, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at++) number = number * 10 + text.charCodeAt(at) - 48;
  return number;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}
