/**
 * Takes SQL steps back.
 *
 * @module
 */

import type { SqlState } from "./sql_backend.ts";
import type { DownTarget, SqlDownPlan } from "./sql/sql_plan.ts";
import { chooseSqlStore, type OneStoreOptions } from "./choose_sql_store.ts";
import {
  InterruptedError,
  LockLostError,
  PlanStaleError,
  RefusedError,
  StoreUnreachableError,
} from "./errors.ts";
import { hint, storeFlag } from "./hint.ts";
import { withLock } from "./lock/with_lock.ts";
import { migrationId, type SqlStoreName, storeTitle } from "./migration.ts";
import { dirtyError, lowestOf } from "./sql/standing.ts";
import type { EngineContext, Stores } from "./stores.ts";
import type { StopOptions } from "./until_stopped.ts";

/** How {@linkcode Engine.down} works. */
export interface DownOptions extends OneStoreOptions {
  /** The version that the database was shown to be at: at another one nothing is done. */
  readonly from?: number | undefined;
  /** Told of each time that somebody held a table, and of how long is waited before the next try. */
  readonly onRetry?:
    | ((retry: { id: string; attempt: number; waitMs: number; reason: string }) => void)
    | undefined;
}

/** How {@linkcode Engine.planDown} works. */
export type PlanDownOptions = Pick<OneStoreOptions, "store"> & StopOptions;

/** Says what taking steps back would cost. */
export async function planDown(
  stores: Stores,
  target: DownTarget,
  options: PlanDownOptions,
): Promise<SqlDownPlan> {
  const { name, backend } = chooseSqlStore(stores, options);
  assertKnown(name, await backend.read(), stores);
  return await backend.planDown(target);
}

/**
 * @throws {DirtyError} When another tool left the database dirty: what it has is then known to nobody.
 * @throws {RefusedError} When it is at a version whose way back this program does not know.
 */
function assertKnown(
  store: SqlStoreName,
  { ahead, dirty, version, latest }: SqlState,
  { sql }: Stores,
): void {
  if (dirty) throw dirtyError(store, version, latest, storeFlag(store, sql));
  if (!ahead) return;
  throw new RefusedError(
    `Cannot take SQL steps back: the database is at version ${version}, and this program knows ${latest}`,
    { hint: "Use the release that applied them" },
  );
}

/** Takes steps back. @returns Their IDs, the newest first. */
export async function down(
  context: EngineContext,
  target: DownTarget,
  options: DownOptions,
): Promise<readonly string[]> {
  const { name, backend } = chooseSqlStore(context, options);
  // Where it leads is fixed once it begins: the same again after an interruption does the rest, and no more.
  let to: number | null = null;
  try {
    return await withLock(context, "down", options, async ({ lock, beginStep, signal }) => {
      const state = await backend.read();
      assertKnown(name, state, context);
      const { version } = state;
      const lowest = lowestOf(target, version);
      if (options.from !== undefined && options.from !== version) {
        throw new PlanStaleError(
          `Nothing was taken back: ${
            storeTitle(name)
          } was at version ${options.from} when that was shown, and is at ${version}`,
          [`The version was ${options.from} and is ${version}`],
          {
            hint:
              hint`Look at what is there now with ${"status"}, and name the version to go to: ${`down --to ${lowest}`}`,
          },
        );
      }
      to = lowest;
      const versions = Array.from({ length: version - lowest }, (_, i) => version - i);
      const taken: string[] = [];
      await backend.handOver("down", versions, async (at) => {
        signal.throwIfAborted();
        const id = migrationId(name, at, "");
        const report = (more = "") => lock.report({ migration: id, progress: `taking it back${more}` });
        report();
        const onRetry = (attempt: number, waitMs: number, reason: string) => {
          report(`, attempt ${attempt}: ${reason}`);
          options.onRetry?.({ id, attempt, waitMs, reason });
        };
        const { session, end, ...guard } = beginStep(name, at);
        try {
          await session.down(at, { ...guard, onRetry });
        } finally {
          end();
        }
        taken.push(id);
      });
      return taken;
    });
  } catch (error) {
    throw to === null ? error : withWayOn(error, `down --to ${to}${storeFlag(name, context.sql)}`);
  }
}

/**
 * What cut a run off, with a way on that leads to one version however much is done by now: whether the last step was committed
 * may not be known.
 */
function withWayOn(error: unknown, command: string): unknown {
  const options = {
    cause: error,
    hint: hint`Run ${command}: it goes on where this was cut off, and no further than that`,
  };
  if (error instanceof InterruptedError) return new InterruptedError(error.message, options);
  if (error instanceof LockLostError) return new LockLostError(error.message, options);
  if (error instanceof StoreUnreachableError) {
    return new StoreUnreachableError(error.store, error.message, options);
  }
  return error;
}
