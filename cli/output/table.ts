/**
 * Lays text out in columns and lines.
 *
 * @module
 */

import { displayWidth } from "./style.ts";

/** How one column of a table behaves. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be cut to fit the width; the rightmost such column is cut first. */
  readonly shrinks?: boolean;
}

/**
 * Renders rows under titles, columns aligned, two spaces apart. Where they do not fit beside each other, the last ones stand below,
 * indented.
 *
 * @param width Columns of the screen; cells are cut to it where a column allows. Infinity for none.
 * @returns Lines without trailing spaces. Columns that are empty in every row are left out.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, title = (text) => text }: { readonly width: number; readonly title?: (text: string) => string },
): readonly string[] {
  const used = columns.map((_, i) => i).filter((i) => rows.some((row) => row[i] !== ""));
  const widths = used.map((i) =>
    Math.max(displayWidth(columns[i]!.title), ...rows.map((row) => displayWidth(row[i]!)))
  );
  shrink(widths, used.map((i) => columns[i]!), width);
  const folded = fold(widths, width);
  const lines = (cells: readonly string[], paint: (text: string) => string = (text) => text) =>
    folded.flatMap((group, below) => {
      const line = group.map((at) => {
        const column = used[at]!;
        const text = cut(cells[column]!, widths[at]!);
        const gap = " ".repeat(widths[at]! - displayWidth(text));
        return columns[column]!.align === "right" ? gap + paint(text) : paint(text) + gap;
      }).join("  ").trimEnd();
      return below > 0 ? line.trim() === "" ? [] : [`  ${line}`] : [line];
    });
  return [columns.map((column) => column.title), ...rows].flatMap((cells, i) =>
    lines(cells, i === 0 ? title : undefined)
  );
}

/** Which columns stand beside each other, the first ones in front. */
function fold(widths: readonly number[], width: number): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let left = -1;
  widths.forEach((needed, at) => {
    left -= needed + 2;
    if (left < 0) left = width - (groups.length === 0 ? 0 : 2) - needed;
    else return void groups.at(-1)!.push(at);
    groups.push([at]);
  });
  return groups;
}

function shrink(widths: number[], columns: readonly Column[], width: number): void {
  let excess = widths.reduce((sum, one) => sum + one, 0) + 2 * (widths.length - 1) - width;
  for (let i = widths.length - 1; i >= 0 && excess > 0; i--) {
    if (columns[i]!.shrinks !== true) continue;
    const take = Math.min(excess, Math.max(0, widths[i]! - 12));
    widths[i]! -= take;
    excess -= take;
  }
}

/** Cuts a text to a width, with an ellipsis. Text with colours is left whole: only plain cells shrink. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (displayWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/**
 * Breaks a text at spaces.
 *
 * @param indent What each line but the first begins with.
 */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && displayWidth((lines.length === 0 ? "" : indent) + longer) > width) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line].join(`\n${indent}`);
}
