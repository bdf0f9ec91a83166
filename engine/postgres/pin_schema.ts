/**
 * Ties a connection or a transaction to one schema, and to all of its rows.
 *
 * @module
 */

import { RefusedError, StoreDeniedError } from "../errors.ts";
import { harmless } from "../foreign_text.ts";
import { type Query, quoteIdentifier } from "./query.ts";

/** Where a connection works. */
export interface Place {
  /** The first schema of the search path that exists, or null where none does. */
  readonly schema: string | null;
  readonly database: string;
}

/**
 * Makes names lead to the current schema alone: another installation further down the search path is neither read nor
 * changed, and no temporary table stands before a real one. What the server brings along is found first, as always.
 *
 * Policies no longer hide rows: where one would, the server refuses instead. What is not seen would count as not there.
 *
 * The server writes definitions, and reads statements, as it does where nobody has set anything about that.
 *
 * @param query Runs in a transaction where `during` is `transaction`.
 * @throws {StoreDeniedError} When the role may not look into a schema that comes first.
 * @throws {RefusedError} When the search path leads to temporary tables, or to those of the server.
 */
export async function pinSchema(query: Query, during: "session" | "transaction"): Promise<Place> {
  const [place] = await query<{ schema: string | null; database: string; holds: string | null }>(PLACE);
  const { schema, database, holds } = place!;
  const [hidden] = await query<{ name: string; role: string }>(HIDDEN);
  if (hidden !== undefined) {
    const [name, role] = [hidden.name, hidden.role].map((one) => quoteIdentifier(harmless(one)));
    throw new StoreDeniedError(
      "postgres",
      `Cannot use Postgres: the role ${role} may not look into the schema ${name}, which search_path names first`,
      {
        hint:
          `Grant it: GRANT USAGE ON SCHEMA ${name} TO ${role}; or leave that schema out of search_path in the Postgres URL`,
      },
    );
  }
  if (holds !== null) {
    throw new RefusedError(`Cannot use Postgres: the search path leads to ${holds} first`, {
      hint: "Name the schema of the tables first in search_path of the Postgres URL",
    });
  }
  await query(
    "SELECT set_config('row_security', 'off', $1::boolean), set_config('search_path', $2::text, $1::boolean), " +
      "set_config('standard_conforming_strings', 'on', $1::boolean), set_config('quote_all_identifiers', 'off', $1::boolean)",
    [
      during === "transaction",
      schema === null ? "pg_temp" : `${quoteIdentifier(schema)}, pg_temp`,
    ],
  );
  return { schema, database };
}

const PLACE = `
  SELECT current_schema() AS schema, current_database() AS database,
         CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = current_schema() AND oid = pg_my_temp_schema())
              THEN 'temporary tables'
              WHEN current_schema() IN ('pg_catalog', 'information_schema') THEN 'the server''s own tables' END AS holds`;

/**
 * The first schema of the search path that is there, comes before the current one, and is passed by without a word, since the role
 * may not look into it: what it holds would count as not there.
 */
const HIDDEN = `
  WITH named AS (
    SELECT place, CASE WHEN coalesce(lower(parts[1]), parts[2]) = '$user' THEN current_user::text
                       ELSE coalesce(lower(parts[1]), replace(parts[2], '""', '"')) END AS name
      FROM regexp_matches(current_setting('search_path'), '([^,"[:space:]]+)|"((?:[^"]|"")+)"', 'g') WITH ORDINALITY AS m (parts, place))
  SELECT n.nspname AS name, current_user::text AS role
    FROM named JOIN pg_namespace n ON n.nspname = named.name
   WHERE NOT has_schema_privilege(n.oid, 'USAGE')
     AND NOT EXISTS (SELECT FROM named b WHERE b.place < named.place AND b.name = current_schema())
   ORDER BY place LIMIT 1`;
