/**
 * Functions of an application that decide about records: what they throw is theirs, and not to be taken for a fault of the server.
 *
 * @module
 */

import { MigrationError, RegistryError } from "../errors.ts";
import { toldError } from "../told_error.ts";
import { type Binary, display } from "./binary.ts";

/** Whose function it is: that of a change of records, of a migration, or of the names for Redis. */
type Owner = { readonly pattern: Binary } | { readonly name: string } | null;

/**
 * Asks one.
 *
 * @param name What it is called, such as `judge`.
 * @throws {RegistryError} When it throws, or answers with a promise, which would count as a yes. Of what it says, nothing is told that
 * it quotes.
 */
export function asked<T>(name: string, owner: Owner, key: Binary | null, ask: () => T): T {
  const about = () => key === null ? "" : ` for "${display(key)}"`; // Asked of each record: nothing is made up before it is needed.
  let answer: T;
  try {
    answer = ask();
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    throw new RegistryError(`${cannot(name, owner)}: it threw${about()}: ${toldError(error)}`, {
      cause: error,
    });
  }
  if (typeof (answer as PromiseLike<unknown> | null | undefined)?.then !== "function") return answer;
  Promise.resolve(answer).catch(() => {}); // Nobody is going to wait for it.
  throw new RegistryError(`${cannot(name, owner)}: it answered${about()} with a promise`, {
    hint: "It has to answer at once: it may be asked about each record",
  });
}

function cannot(name: string, owner: Owner): string {
  const of = owner === null
    ? "the names for Redis"
    : "pattern" in owner
    ? `the records "${display(owner.pattern)}"`
    : `the migration "${owner.name}"`;
  return `Cannot go by ${name}() of ${of}`;
}
