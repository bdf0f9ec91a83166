/**
 * The one SQL store that an operation on versions works on.
 *
 * @module
 */

import type { SqlBackend } from "./sql_backend.ts";
import { RefusedError } from "./errors.ts";
import type { LockOptions } from "./lock/lock.ts";
import { type SqlStoreName, storeTitle } from "./migration.ts";
import type { Stores } from "./stores.ts";

/** How {@linkcode Engine.down} and {@linkcode Engine.force} work. */
export interface OneStoreOptions extends LockOptions {
  /** Which SQL store; needed only when the engine has two. */
  readonly store?: SqlStoreName | undefined;
}

/** The store that is named, or the first. @throws {RefusedError} When the engine has none, or not that one. */
export function chooseSqlStore(
  { sql }: Stores,
  { store }: Pick<OneStoreOptions, "store">,
): { readonly name: SqlStoreName; readonly backend: SqlBackend } {
  const [first] = sql.keys();
  if (first === undefined) {
    throw new RefusedError("Cannot change the SQL version: no SQL store is configured", {
      hint: "Give createEngine() a Postgres or a ClickHouse",
    });
  }
  const name = store ?? first;
  const backend = sql.get(name);
  if (backend !== undefined) return { name, backend };
  throw new RefusedError(`Cannot change the SQL version: no ${storeTitle(name)} is configured`);
}
