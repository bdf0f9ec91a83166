/**
 * Where in a statement the server found fault.
 *
 * @module
 */

import type { StatementPosition } from "../sql/step_failed_error.ts";

/**
 * Turns the server's position into a line, a column and an excerpt.
 *
 * @param statement The statement as it was sent.
 * @param position What the server reported: characters (not UTF-16 units) from the start, counted from 1.
 * @returns Null when the position lies outside of the statement. Line and column count from 1; the excerpt is the line and,
 * below it, a caret. Tabs before the fault are kept in front of the caret, so that it stands right on any terminal.
 */
export function errorPosition(statement: string, position: number): StatementPosition | null {
  const characters = [...statement];
  if (!Number.isInteger(position) || position < 1 || position > characters.length + 1) return null;
  const before = characters.slice(0, position - 1);
  const start = before.lastIndexOf("\n") + 1;
  const end = characters.indexOf("\n", start);
  const text = characters.slice(start, end < 0 ? characters.length : end).join("").replace(/\r$/, "");
  const indent = before.slice(start).map((character) => (character === "\t" ? "\t" : " ")).join("");
  return {
    line: before.filter((character) => character === "\n").length + 1,
    column: before.length - start + 1,
    excerpt: `${text}\n${indent}^`,
  };
}
