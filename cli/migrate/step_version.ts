/**
 * A version of a SQL store as people write it.
 *
 * @module
 */

import { SQL_STORES, type SqlStoreName, typeOf } from "../../engine/migration.ts";
import { readWholeNumber } from "../line/whole_number.ts";

/**
 * Reads `8`, `000008` and, since people copy IDs from other outputs, `sql/000008` and `clickhouse/000002`, which tell the store.
 *
 * @throws {UsageError} When it is none of them.
 */
export function readStepVersion(
  name: string,
  text: string,
): { readonly version: number; readonly store: SqlStoreName | undefined } {
  const [, type, digits] = /^(?:([a-z]+)\/)?0*(\d.*)$/.exec(text) ?? [];
  const store = SQL_STORES.find((store) => typeOf(store) === type);
  const isKnown = type === undefined || store !== undefined;
  return { version: readWholeNumber(name, isKnown && digits ? digits : text, { min: 0 }), store };
}
