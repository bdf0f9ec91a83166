/**
 * Reads `.env` files as Outpost's server does: `NAME=value` lines with comments, quotes, an optional `export`, and names of values above.
 *
 * @module
 */

/** What a file says, and the lines that say nothing understandable. */
export interface Dotenv {
  readonly values: ReadonlyMap<string, string>;
  /** One sentence each, naming the line. They never repeat what the line holds: it may be a secret. */
  readonly problems: readonly string[];
}

/** What may stand between two assignments. */
const BETWEEN = /\s+|#[^\n]*/y;
const WORD = "[\\p{L}\\p{N}_.-]+";
const SPACE = "[\\t\\v\\f\\r \\x85\\xa0]";
const NAME = new RegExp(`(?:export${SPACE}+)?(${WORD}(?:${SPACE}+${WORD})*)${SPACE}*[=:]${SPACE}*`, "uy");
const LINE = /[^\n\r]*/y;
/** The last of several comments: what stands before it belongs to the value. */
const COMMENT = new RegExp(`^(.*${SPACE})#.*$`, "s");
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r" };

/** A dollar that stands for itself, or a name in capital letters whose value is put in its place. */
const REFERENCE = /\\\$|\$\(?\{?([A-Z0-9_]+)\}?/g;

/**
 * Parses a file. `NAME: value` is an assignment, too. In double quotes `\n` and `\r` are line breaks, and a backslash before anything else
 * goes; in single quotes nothing is special, but that `\'` does not end them, and stays as it is. Without quotes the value ends at the last
 * ` #`, which does not count at its very beginning. Outside of single quotes `$NAME` and `${NAME}` stand for what the file says above, or
 * for nothing, and `\$` for a dollar. The last assignment of a name counts.
 */
export function parseDotenv(text: string): Dotenv {
  const values = new Map<string, string>();
  const problems: string[] = [];
  const put = (value: string) =>
    value.replace(REFERENCE, (_, name) => name === undefined ? "$" : values.get(name) ?? "");
  const source = text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    at += found?.[0].length ?? 0;
    return found;
  };
  let [lines, counted] = [1, 0];
  const line = () => {
    for (; counted < at; counted++) if (source[counted] === "\n") lines++;
    return lines;
  };
  for (;;) {
    while (take(BETWEEN) !== null);
    if (at === source.length) break;
    const name = take(NAME)?.[1];
    if (name === undefined) {
      problems.push(`line ${line()} is not NAME=value`);
      take(LINE);
      continue;
    }
    const quote = source[at]!;
    if (quote !== '"' && quote !== "'") {
      const [rest] = take(LINE)!;
      values.set(name, put(rest.replace(COMMENT, "$1").replace(AROUND, "")));
      continue;
    }
    const end = closing(source, at);
    if (end < 0) {
      problems.push(`the quote opened in line ${line()} is never closed`);
      break;
    }
    // The server takes an escaped quote at the very end for one of those around the value.
    const inner = source.slice(at + 1, source[end - 1] === quote && end - 1 > at ? end - 1 : end);
    at = end + 1;
    const unescaped = () => inner.replace(/\\([^$])/gs, (_, char) => ESCAPES[char] ?? char);
    values.set(name, quote === "'" ? inner : put(unescaped()));
  }
  return { values, problems };
}

/** Where a quote ends, whose beginning is at a place; -1 when it does not. */
function closing(source: string, start: number): number {
  const quote = source[start]!;
  let end = source.indexOf(quote, start + 1);
  while (end >= 0 && source[end - 1] === "\\") end = source.indexOf(quote, end + 1);
  return end;
}
