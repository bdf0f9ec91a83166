/**
 * Sets the SQL version by hand, after a repair.
 *
 * @module
 */

import { chooseSqlStore, type OneStoreOptions } from "./choose_sql_store.ts";
import { RefusedError } from "./errors.ts";
import { withLock } from "./lock/with_lock.ts";
import { formatVersion } from "./migration.ts";
import type { EngineContext } from "./stores.ts";

/** Sets the version and clears dirty. @throws {RefusedError} When the version is unknown. */
export async function force(
  context: EngineContext,
  version: number,
  options: OneStoreOptions,
): Promise<void> {
  const { name, backend } = chooseSqlStore(context, options);
  const known = backend.migrations.map((migration) => migration.version);
  if (version !== 0 && !known.includes(version)) {
    throw new RefusedError(`Cannot force version ${version}: no step has this number`, {
      hint: `Known are 0 to ${formatVersion(Math.max(0, ...known))}`,
    });
  }
  await withLock(context, "force", options, async ({ lock, sessions }) => {
    await lock.confirm();
    await sessions.get(name)!.force(version);
  });
}
