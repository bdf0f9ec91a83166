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

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)$/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** A dollar that stands for itself, or a name in capital letters whose value is put in its place. */
const REFERENCE = /\\\$|\$\(?\{?([A-Z0-9_]+)\}?/g;

/**
 * Parses a file. In double quotes `\n`, `\"`, `\\` and line breaks are allowed; in single quotes nothing is special;
 * without quotes the value ends at ` #`. Outside of single quotes `$NAME` and `${NAME}` stand for what the file says above, or for
 * nothing, and `\$` for a dollar. The last assignment of a name counts.
 */
export function parseDotenv(text: string): Dotenv {
  const values = new Map<string, string>();
  const problems: string[] = [];
  const put = (value: string) =>
    value.replace(REFERENCE, (_, name) => name === undefined ? "$" : values.get(name) ?? "");
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (/^\s*(#|$)/.test(line)) continue;
    const match = LINE.exec(line);
    if (match === null) {
      problems.push(`line ${at + 1} is not NAME=value`);
      continue;
    }
    const [, name, rest] = match;
    const quote = rest![0];
    if (quote !== '"' && quote !== "'") {
      values.set(name!, put(rest!.replace(/(^|\s)#.*$/, "").trim()));
      continue;
    }
    const start = at;
    let body = rest!.slice(1);
    let end = closing(body, quote);
    while (end < 0 && at + 1 < lines.length) {
      body += `\n${lines[++at]}`;
      end = closing(body, quote);
    }
    if (end < 0) {
      problems.push(`the quote opened in line ${start + 1} is never closed`);
      break;
    }
    const inner = body.slice(0, end);
    values.set(
      name!,
      quote === "'" ? inner : put(inner.replace(/\\([^$])/gs, (_, char) => ESCAPES[char] ?? char)),
    );
  }
  return { values, problems };
}

function closing(body: string, quote: string): number {
  for (let i = 0; i < body.length; i++) {
    if (body[i] === "\\" && quote === '"') i++;
    else if (body[i] === quote) return i;
  }
  return -1;
}
