/**
 * Draws what a program wrote to a terminal, colours included, as one SVG picture.
 *
 * @module
 */

const COLUMN = 8.4;
const LINE = 19;
const MARGIN = 18;

/** Colours of the picture by SGR code, readable on its dark ground. */
const COLOURS: Readonly<Record<number, string>> = {
  31: "#ff7b72",
  32: "#7ee787",
  33: "#e3b341",
  34: "#79c0ff",
  35: "#d2a8ff",
  36: "#76e3ea",
  90: "#8b949e",
};

interface Style {
  readonly colour: string | null;
  readonly bold: boolean;
  readonly dim: boolean;
}

const PLAIN: Style = { colour: null, bold: false, dim: false };

/**
 * Draws lines that hold ANSI colour codes.
 *
 * @param title Read to people who cannot see the picture.
 * @returns The SVG as text. The same lines always give the same text.
 */
export function terminalSvg(lines: readonly string[], title: string): string {
  const columns = Math.max(...lines.map((line) => plain(line).length));
  const [width, height] = [Math.ceil(columns * COLUMN + 2 * MARGIN), lines.length * LINE + 2 * MARGIN];
  const rows = lines.map((line, i) =>
    `<text x="${MARGIN}" y="${MARGIN + (i + 0.75) * LINE}" xml:space="preserve">${spans(line)}</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img">
<title>${escape(title)}</title>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3">
${rows.join("\n")}
</g>
</svg>
`;
}

/** A line without its colour codes. */
export function plain(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replaceAll(/\x1b\[[0-9;]*m/g, "");
}

function spans(line: string): string {
  let style = PLAIN;
  // deno-lint-ignore no-control-regex
  return line.split(/(\x1b\[[0-9;]*m)/).map((part) => {
    // deno-lint-ignore no-control-regex
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes === undefined) return part === "" ? "" : span(part, style);
    for (const code of codes.split(";").map(Number)) style = next(style, code);
    return "";
  }).join("");
}

function next(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 39) return { ...style, colour: null };
  return { ...style, colour: COLOURS[code] ?? style.colour };
}

function span(text: string, { colour, bold, dim }: Style): string {
  const attributes = [
    ...(colour === null ? [] : [`fill="${colour}"`]),
    ...(bold ? ['font-weight="bold"'] : []),
    ...(dim ? ['opacity="0.65"'] : []),
  ];
  return attributes.length === 0 ? escape(text) : `<tspan ${attributes.join(" ")}>${escape(text)}</tspan>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
