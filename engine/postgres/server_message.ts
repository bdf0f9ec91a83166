/**
 * What a server said, as it may be told to others: harmless, short, and without the values of anybody's rows.
 *
 * @module
 */

import { foreignText, withoutQuoted } from "../foreign_text.ts";

/** What a server says with an error. */
export interface ServerSays {
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

/** An error of the server, to be shown. */
export interface ToldError {
  /** Without a final period. */
  readonly message: string;
  readonly detail: string | null;
  readonly hint: string | null;
}

/**
 * Classes of SQLSTATE whose details quote values: of data and constraints, of functions that somebody wrote, and of the view's
 * own condition. An event's payload may stand there, and an error ends up in a CI's log.
 */
const QUOTES_ROWS = new Set(["21", "22", "23", "2F", "38", "39", "44", "P0"]);

/** Classes whose messages do so too; those of constraints quote names. */
const QUOTES_VALUES = new Set(["21", "22", "2F", "38", "39", "P0"]);

/** True where the detail of an error quotes a row: then it is for who holds the error, and for no screen and no log. */
export function quotesRows(code: string): boolean {
  return QUOTES_ROWS.has(code.slice(0, 2));
}

/** Chooses what may be told. */
export function toldByServer({ code, message, detail, hint }: ServerSays): ToldError {
  const kind = code.slice(0, 2);
  const said = message.replace(/\.$/, "");
  return {
    message: foreignText(QUOTES_VALUES.has(kind) ? withoutQuoted(said) : said),
    detail: detail === undefined ? null : oneLine(detail),
    hint: hint === undefined || kind === "P0" ? null : oneLine(hint),
  };
}

/** Details list objects one a line. */
function oneLine(text: string): string {
  return foreignText(text.replace(/\s*\n\s*/g, "; "));
}
