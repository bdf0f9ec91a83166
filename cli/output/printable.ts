/**
 * The last look at text before it is written. What strangers wrote was made harmless where it was read; here nothing gets out
 * that should have been, and was forgotten.
 *
 * @module
 */

import { harmless } from "../../engine/foreign_text.ts";
import type { Style } from "./style.ts";

/** The escapes that {@linkcode Style} writes, which are let through where there are colours. */
// deno-lint-ignore no-control-regex -- the escape character is what it looks for
const PAINT = /(\x1b\[(?:1|2|22|31|32|33|36|39)m)/;

/**
 * A text of several lines without control characters and commands to a CI: `\x07` becomes the four characters `\x07`.
 *
 * @param style Without colours no escape is let through.
 */
export function printable(text: string, { colours }: Pick<Style, "colours"> = { colours: true }): string {
  const lines = text.split("\n");
  return lines.map((line) => (colours ? line.split(PAINT) : [line]).map(unpainted).join("")).join("\n");
}

/** What stands between colours: they take no place on the screen, and two parts of a text none between them. */
function unpainted(part: string, index: number): string {
  return index % 2 === 1 ? part : part.split("\t").map(harmless).join("\t");
}
