/**
 * Functions of an application that decide about records: what they throw is theirs, and not to be taken for a fault of the server.
 *
 * @module
 */

import { MigrationError, RegistryError } from "../errors.ts";
import { toldError } from "../told_error.ts";
import { type Binary, display } from "./binary.ts";

/**
 * Asks one.
 *
 * @param name What it is called, such as `judge`.
 * @throws {RegistryError} When it throws. Of what it says, nothing is told that it quotes.
 */
export function asked<T>(
  name: string,
  { pattern }: { readonly pattern: Binary },
  key: Binary | null,
  ask: () => T,
): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    const about = key === null ? "" : ` for "${display(key)}"`;
    throw new RegistryError(
      `Cannot go by ${name}() of the records "${display(pattern)}": it threw${about}: ${toldError(error)}`,
      { cause: error },
    );
  }
}
