/**
 * Takes SQL steps back.
 *
 * @module
 */

import type { SqlDownPlan, SqlState } from "./backend.ts";
import { chooseSqlStore, type OneStoreOptions } from "./choose_sql_store.ts";
import { RefusedError } from "./errors.ts";
import { withLock } from "./lock/with_lock.ts";
import { migrationId } from "./migration.ts";
import type { EngineContext, Stores } from "./stores.ts";

/** Says what taking back the last steps would cost. */
export async function planDown(
  stores: Stores,
  steps: number,
  options: Pick<OneStoreOptions, "store">,
): Promise<SqlDownPlan> {
  const { backend } = chooseSqlStore(stores, options);
  assertKnown(await backend.read());
  return await backend.planDown(steps);
}

/** @throws {RefusedError} When the database is at a version whose way back this program does not know. */
function assertKnown({ ahead, version, latest }: SqlState): void {
  if (!ahead) return;
  throw new RefusedError(
    `Cannot take SQL steps back: the database is at version ${version}, and this program knows ${latest}`,
    { hint: "Use the release that applied them" },
  );
}

/** Takes back the last steps. @returns Their IDs, the newest first. */
export async function down(
  context: EngineContext,
  steps: number,
  options: OneStoreOptions,
): Promise<readonly string[]> {
  const { name, backend } = chooseSqlStore(context, options);
  return await withLock(context, "down", options, async ({ lock, runStep, signal }) => {
    const state = await backend.read();
    assertKnown(state);
    const { version } = state;
    const taken: string[] = [];
    const count = Math.min(steps, version);
    const versions = Array.from({ length: count }, (_, i) => version - i);
    await backend.handOver("down", versions, async (at) => {
      signal.throwIfAborted();
      const id = migrationId(name, at, "");
      lock.report({ migration: id, progress: "taking it back" });
      await runStep(name, at, (session, guard) => session.down(at, guard));
      taken.push(id);
    });
    return taken;
  });
}
