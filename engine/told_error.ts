/**
 * What may be told of any failure.
 *
 * @module
 */

import { MigrationError } from "./errors.ts";
import { foreignText, withoutQuoted } from "./foreign_text.ts";

/** Faults of a program, whose messages quote its own names. Those of servers and parsers quote data. */
const FAULTS = ["TypeError", "RangeError", "ReferenceError"];

/**
 * The message of an error: of the engine's own as it is, of another one its first line, harmless and without what it quotes. A
 * server repeats the arguments of a command that it refuses.
 */
export function toldError(error: unknown): string {
  if (error instanceof MigrationError) return error.message;
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const isFault = error instanceof Error && FAULTS.includes(error.name);
  return foreignText(isFault ? line : withoutQuoted(line));
}
