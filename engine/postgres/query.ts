/**
 * What every query of Postgres is made with.
 *
 * @module
 */

/** Runs one query: a transaction of a client, or the connection of a session. */
export type Query = <T extends object>(
  text: string,
  parameters?: readonly (string | number | boolean | null)[],
) => Promise<T[]>;

/** Quotes a name for use in a statement. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
