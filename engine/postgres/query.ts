/**
 * What every query of Postgres is made with: one message to the server, which holds the whole statement.
 *
 * The extended protocol sends a statement with parameters in two parts and waits in between. A program that is frozen there is at
 * work for the server: no timeout ends it, and its locks stay for as long as it stands still. Here values are written into the
 * text, so that there is no in between.
 *
 * @module
 */

import type postgres from "postgres";

/** A value that a statement may be given. */
export type QueryParameter = string | number | boolean | null;

/** Runs one query: a transaction of a client, or the connection of a session. */
export type Query = <T extends object>(text: string, parameters?: readonly QueryParameter[]) => Promise<T[]>;

/** Queries through a client, a transaction of one, or a reserved connection. */
export function queryThrough(client: Pick<postgres.ISql, "unsafe">): Query {
  // Without parameters the client sends a statement as it stands, in one message.
  return async (text, parameters) => await client.unsafe(withValues(text, parameters)) as never;
}

/**
 * Writes values where a text has `$1`, `$2`, ...: constants without a type, as parameters are. A text without values stays as it
 * is.
 *
 * @throws {TypeError} When a value is missing, or cannot be in any text of Postgres.
 */
function withValues(text: string, parameters: readonly QueryParameter[] = []): string {
  if (parameters.length === 0) return text;
  return text.replaceAll(/"(?:[^"]|"")*"|\$(\d+)/g, (found, number: string | undefined) => {
    if (number === undefined) return found; // A name may look like the place of a value.
    const value = parameters[Number(number) - 1];
    if (value === undefined) throw new TypeError(`Missing value ${number} of: ${text}`);
    return value === null ? "NULL" : quoteLiteral(String(value));
  });
}

/** Quotes a text for use in a statement, whatever `standard_conforming_strings` is. */
export function quoteLiteral(text: string): string {
  if (text.includes("\0")) throw new TypeError("A text of Postgres has no zero byte");
  return `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** True where a table of this name is, or a view. @param name As in a statement, with quotes where it needs them. */
export async function tableExists(query: Query, name: string): Promise<boolean> {
  const [found] = await query<{ there: boolean }>("SELECT to_regclass($1::text) IS NOT NULL AS there", [
    name,
  ]);
  return found!.there;
}

/**
 * Expression for the table that a step names: as the catalogue has its name, or else as a statement would have it.
 *
 * @param name Expression of type text.
 */
export function tableNamed(name: string): string {
  return `coalesce(to_regclass(quote_ident(${name})),
    CASE WHEN ${name} ~ '^([a-zA-Z_]\\w*|"[^"]+")([.]([a-zA-Z_]\\w*|"[^"]+"))?$' THEN to_regclass(${name}) END)`;
}

/** Quotes a name for use in a statement. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
