/**
 * Colours for a terminal, and nothing at all elsewhere.
 *
 * @module
 */

type Paint = (text: string) => string;

/** Ways to set text apart. Without colours each returns its text unchanged. */
export interface Style {
  readonly colours: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

/** Makes a style. */
export function makeStyle({ colours }: { readonly colours: boolean }): Style {
  const paint = (on: number, off: number): Paint => (text) =>
    colours && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    colours,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/** No colours. */
export const PLAIN: Style = makeStyle({ colours: false });

/**
 * Whether a stream gets colours: `--no-color` first, then `NO_COLOR`, then `FORCE_COLOR`, then whether it is a terminal.
 *
 * @param flag Value of the flag, or undefined when it was not given.
 */
export function wantsColours(
  flag: boolean | undefined,
  env: Readonly<Record<string, string | undefined>>,
  terminal: boolean,
): boolean {
  if (flag !== undefined) return flag;
  if ((env.NO_COLOR ?? "") !== "") return false;
  if ((env.FORCE_COLOR ?? "") !== "") return env.FORCE_COLOR !== "0";
  return terminal && env.TERM !== "dumb";
}

// deno-lint-ignore no-control-regex -- the escape character is what it looks for
const ESCAPES = /\x1b\[[0-9;]*m/g;

/** Columns that a text takes on a terminal: escapes take none, wide characters two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text.replace(ESCAPES, ""))) {
    width += isWide(segment.codePointAt(0)!) ? 2 : 1;
  }
  return width;
}

function isWide(point: number): boolean {
  return (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
    (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
    (point >= 0x1f300 && point <= 0x1faff) || (point >= 0x20000 && point <= 0x3fffd);
}
