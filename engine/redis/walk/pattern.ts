/**
 * SCAN patterns: one that covers several, so that one walk serves all, and which keys each of them matches.
 *
 * @module
 */

import { type Binary, escapePattern } from "../binary.ts";

/** The bytes that one place of a pattern matches; null for a star, which matches any number of any bytes. */
type Place = ReadonlySet<number> | null;

const ALL: ReadonlySet<number> = new Set(Array.from({ length: 256 }, (_, byte) => byte));

/** Tells of a key whether a server would find that it matches. */
export function matcherOf(pattern: Binary): (key: Binary) => boolean {
  const start = literalStart(pattern);
  const source = placesOf(pattern).slice(start.length).map((place) =>
    place === null ? "[^]*" : classOf(place)
  );
  if (source.join() === "[^]*") return (key) => key.startsWith(start);
  const expression = new RegExp(`^[^]{${start.length}}${source.join("")}$`);
  return (key) => key.startsWith(start) && expression.test(key);
}

/** What every key that a pattern matches begins with, as far as the pattern says it byte by byte. */
export function literalStart(pattern: Binary): Binary {
  let start = "";
  for (const place of placesOf(pattern)) {
    if (place === null || place.size !== 1) break;
    start += String.fromCharCode(...place);
  }
  return start;
}

/** A pattern that matches whatever one of these matches, and other keys too where they differ. */
export function coveringPattern(patterns: readonly Binary[]): Binary {
  const [first, ...others] = new Set(patterns);
  if (first === undefined) return "*";
  if (others.length === 0) return first;
  const all = [first, ...others].map(placesOf);
  let covering = "";
  for (let at = 0;; at++) {
    const bytes = new Set<number>();
    for (const places of all) {
      const place = places[at];
      if (place === null || place === undefined) return `${covering}*`;
      for (const byte of place) bytes.add(byte);
    }
    covering += bytes.size === ALL.size ? "?" : `[${[...bytes].map(escaped).join("")}]`;
  }
}

function escaped(byte: number): string {
  return escapePattern(String.fromCharCode(byte));
}

function classOf(bytes: ReadonlySet<number>): string {
  return `[${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}]`;
}

/** Reads a pattern as servers do, one that is not well-formed included. */
function placesOf(pattern: Binary): Place[] {
  const places: Place[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern.charCodeAt(at);
    if (pattern[at] === "*") {
      if (places.at(-1) !== null) places.push(null);
    } else if (pattern[at] === "?") places.push(ALL);
    else if (pattern[at] === "[") {
      const [place, end] = readClass(pattern, at + 1);
      places.push(place);
      at = end;
    } else if (pattern[at] === "\\" && at + 1 < pattern.length) {
      places.push(new Set([pattern.charCodeAt(++at)]));
    } else places.push(new Set([byte]));
  }
  return places;
}

/** @returns What a class matches, and the index at which it ends. */
function readClass(pattern: Binary, begin: number): [ReadonlySet<number>, number] {
  const negated = pattern[begin] === "^";
  const bytes = new Set<number>();
  let at = negated ? begin + 1 : begin;
  for (; at < pattern.length && pattern[at] !== "]"; at++) {
    if (pattern[at] === "\\" && at + 1 < pattern.length) bytes.add(pattern.charCodeAt(++at));
    else if (pattern[at + 1] === "-" && at + 2 < pattern.length) {
      const ends = [pattern.charCodeAt(at), pattern.charCodeAt(at + 2)];
      for (let byte = Math.min(...ends); byte <= Math.max(...ends); byte++) bytes.add(byte);
      at += 2;
    } else bytes.add(pattern.charCodeAt(at));
  }
  return [negated ? new Set([...ALL].filter((byte) => !bytes.has(byte))) : bytes, at];
}
