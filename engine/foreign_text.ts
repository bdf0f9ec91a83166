/**
 * Makes text harmless that strangers chose: names and values in the stores, what others wrote into a lock, what a server says.
 * Done where such text is read, so that nothing that shows it has to think of it.
 *
 * @module
 */

/** Characters of a stranger's text that are shown at most. */
export const LONGEST_FOREIGN_TEXT = 200;

/**
 * Controls (C0, C1), what is not seen or turns the direction of writing, the separators of lines, and halves of pairs: all that
 * moves a cursor, hides text, forges a line, or is no character at all.
 */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * What a CI takes for a command to it: GitHub's `::name::` at the beginning of a line, where a break between words may put
 * it, and the older `##[name]`, `##vso[name]` and `##teamcity[name]` anywhere.
 */
const COMMANDS = /(^|\s):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))/g;

/** Shows harmful characters by their number: `\x1b`, `\u202e`. What is left is one line. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, shown).replace(
    COMMANDS,
    (whole) => `${whole.slice(0, -1)}${shown(whole.at(-1)!)}`,
  );
}

/** The same, and no more than {@linkcode LONGEST_FOREIGN_TEXT} characters of it. */
export function foreignText(text: string): string {
  // Cut before it is looked at: what is not shown costs nothing.
  const cut = [...text.slice(0, 2 * LONGEST_FOREIGN_TEXT + 2)];
  if (cut.length <= LONGEST_FOREIGN_TEXT) return harmless(text);
  return `${harmless(cut.slice(0, LONGEST_FOREIGN_TEXT).join(""))}…`;
}

/** A text of several lines, each of them harmless. */
export function harmlessLines(text: string): string {
  return text.split("\n").map(harmless).join("\n");
}

/** Leaves out what a message quotes, where that may be a value out of somebody's record: from the first quote to the last. */
export function withoutQuoted(text: string): string {
  const first = text.search(/["'`]/);
  if (first < 0) return text;
  const last = text.lastIndexOf(text[first]!);
  // A message that was cut has no second quote.
  return last === first ? `${text.slice(0, first)}...` : `${text.slice(0, first)}...${text.slice(last + 1)}`;
}

function shown(char: string): string {
  const code = char.codePointAt(0)!;
  if (code < 256) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
