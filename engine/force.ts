/**
 * Sets the SQL version by hand, after a repair.
 *
 * @module
 */

import { chooseSqlStore, type OneStoreOptions } from "./choose_sql_store.ts";
import { PlanStaleError, RefusedError } from "./errors.ts";
import { hint } from "./hint.ts";
import { withLock } from "./lock/with_lock.ts";
import { formatVersion, storeTitle } from "./migration.ts";
import type { EngineContext } from "./stores.ts";

/** How {@linkcode Engine.force} works. */
export interface ForceOptions extends OneStoreOptions {
  /** The version that the database was shown to be at: at another one nothing is done. Needed where that one is not known. */
  readonly from?: number | undefined;
}

/**
 * Sets the version and clears dirty.
 *
 * @throws {RefusedError} When the version is unknown, or the database is at one that is, and nobody was shown that.
 * @throws {PlanStaleError} When the database is not at the version that was shown.
 */
export async function force(
  context: EngineContext,
  version: number,
  options: ForceOptions,
): Promise<void> {
  const { name, backend } = chooseSqlStore(context, options);
  const known = backend.migrations.map((migration) => migration.version);
  if (version !== 0 && !known.includes(version)) {
    throw new RefusedError(`Cannot force version ${version}: no step has this number`, {
      hint: `Known are 0 to ${formatVersion(Math.max(0, ...known))}`,
    });
  }
  await withLock(context, "force", options, async ({ lock, sessions }) => {
    const { version: at, ahead, latest } = await backend.read();
    if (options.from !== undefined && options.from !== at) {
      throw new PlanStaleError(
        `Nothing was recorded: ${
          storeTitle(name)
        } was at version ${options.from} when that was shown, and is at ${at}`,
        [`The version was ${options.from} and is ${at}`],
        { hint: hint`Look at what is there now with ${"status"}` },
      );
    }
    if (ahead && options.from === undefined) {
      throw new RefusedError(
        `Cannot force version ${version}: the database is at version ${at}, and this program knows ${latest}`,
        {
          hint: {
            ...hint`Use the release that knows it. If none ran these steps, answer ${`force ${version}`} on a terminal`,
            forCallers:
              `Use the release that knows it. If none ran these steps: force(${version}, { from: ${at} })`,
          },
        },
      );
    }
    await lock.confirm();
    await sessions.get(name)!.force(version);
  });
}
