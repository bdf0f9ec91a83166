/**
 * The client that a caller hands in: what the engine reads through it must be what the server sent.
 *
 * @module
 */

import type { Sql } from "postgres";
import { RefusedError } from "../errors.ts";

/**
 * Admits a caller's client.
 *
 * @param client Owned by the caller.
 * @returns The same client.
 * @throws {RefusedError} When it is none of postgres.js, and when it renames columns or changes values or rows of results: the state would be read wrongly.
 */
export function admitPostgres(client: Sql): Sql {
  const { column, value, row } = (client as Partial<Sql> | null | undefined)?.options?.transform ?? {};
  if (column === undefined || value === undefined || row === undefined) {
    throw new RefusedError(
      "Cannot use this Postgres client: it is not what postgres() of postgres.js returns",
    );
  }
  const fault = column.from !== undefined
    ? "renames columns"
    : value.from !== undefined
    ? "changes values"
    : row.from !== undefined
    ? "changes rows"
    : null;
  if (fault === null) return client;
  throw new RefusedError(`Cannot use this Postgres client: its option "transform" ${fault} of results`, {
    hint: "Pass a client of its own without that option",
  });
}
