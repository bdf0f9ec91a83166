/**
 * One self-contained page: no scripts, nothing loaded from elsewhere, readable in the dark and on paper.
 *
 * @module
 */

/** Text that is safe to put into a page. Made by {@linkcode html} alone. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | readonly Part[];

/** Builds HTML. Whatever is put in is escaped, unless it is HTML already. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(
    strings.reduce((text, string, i) => text + string + (i < parts.length ? render(parts[i]!) : ""), ""),
  );
}

function render(part: Part): string {
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(render).join("");
  return escapeHtml(String(part));
}

// deno-lint-ignore no-control-regex -- these are what a page may not hold
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** Escapes text for element content and quoted attributes. Control characters, which no page may hold, are shown. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (char) => entities[char]!)
    .replace(CONTROLS, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A table with a heading row. Columns named in `numbers` are aligned to the right. */
export function htmlTable(
  titles: readonly string[],
  rows: readonly (readonly Part[])[],
  { numbers = [] }: { readonly numbers?: readonly string[] } = {},
): Html {
  const right = (i: number) => (numbers.includes(titles[i]!)
    ? html`
      class="number"
    `
    : html``);
  return html`
    <div class="scroll">
      <table>
        <thead>
          <tr>${titles.map((title, i) =>
            html`
              <th scope="col" ${right(i)}>${title}</th>
            `
          )}</tr>
        </thead>
        <tbody>${rows.map((row) =>
          html`<tr>${row.map((cell, i) => html`<td${right(i)}>${cell}</td>`)}</tr>`
        )}</tbody>
      </table>
    </div>
  `;
}

const CSS = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --text: #1f2328; --dim: #59636e; --bad: #b42318;
  --good: #116329; --warn: #8a5a00; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #161b22; --text: #e6edf3; --dim: #9198a1;
  --bad: #ff7b72; --good: #56d364; --warn: #e3b341; --page: #0d1117; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .25rem; font-size: 1rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.5rem; margin: 1rem 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0; width: 100%; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--soft); font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
pre, code { font: 13px/1.45 ui-monospace, monospace; } code { overflow-wrap: anywhere; }
td code { display: inline-block; max-width: 45ch; overflow-wrap: break-word; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .6rem .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }
.bad { color: var(--bad); } .good { color: var(--good); } .warn { color: var(--warn); } .dim { color: var(--dim); }
.verdict { font-size: 1.1rem; font-weight: 600; } summary { cursor: pointer; color: var(--dim); }
@media print { body { max-width: none; padding: 0; } details::details-content { content-visibility: visible; } }
`;

/** What stands at the top of every page. */
export interface PageHead {
  readonly title: string;
  /** One sentence, and whether it is good news. */
  readonly verdict: { readonly text: string; readonly kind: "good" | "bad" | "warn" };
  readonly facts: readonly (readonly [string, Part])[];
}

/** The whole page. */
export function htmlPage({ title, verdict, facts }: PageHead, body: readonly Part[]): string {
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>${title}</title>
        <style>${new Html(CSS)}</style>
      </head>
      <body>
        <main>
    <h1>${title}</h1>
    <p class="verdict ${verdict.kind}">${verdict.text}</p>
    <dl>${facts.map(([name, value]) =>
      html`
        <dt>${name}</dt>
        <dd>${value}</dd>
      `
    )}</dl>
    ${body}
        </main>
      </body>
    </html>
  `.text;
}
