/**
 * Keeps data from steering the terminal: names and values in the stores are chosen by strangers.
 *
 * @module
 */

/** Colours and weights are let through, which is all that {@linkcode Style} uses; every other control character is shown. */
const CONTROLS =
  // deno-lint-ignore no-control-regex -- these are what it looks for
  /\x1b(?!\[\d{1,2}m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text of several lines without control characters: `\x07` becomes the four characters `\x07`. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (char) => {
    const code = char.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}
