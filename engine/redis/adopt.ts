/**
 * How the bookkeeping of a deployment begins: with what older tools recorded, or on a fresh Redis with nothing left to do.
 *
 * @module
 */

import type { RedisRecordOptions } from "../redis_backend.ts";
import type { AdoptedState, Bookkeeping } from "./bookkeeping.ts";
import { isFresh } from "./freshness.ts";
import type { RedisLayout } from "./layout.ts";
import { MasterWatch } from "./master_watch.ts";
import { forecast } from "./plan.ts";
import { firstBegin } from "./run.ts";
import type { Standing } from "./standing.ts";
import type { RedisStore } from "./store.ts";

/** Where it is written. */
interface Books {
  readonly store: RedisStore;
  readonly bookkeeping: Bookkeeping;
}

/** Records under the current names what is known from others. What is said to be applied and is not becomes pending. */
export async function adoptOlder(
  { store, bookkeeping }: Books,
  standings: readonly Standing[],
  { fence, signal }: RedisRecordOptions,
): Promise<void> {
  const adoptable = standings.filter((standing) => standing.adoptable);
  if (adoptable.length === 0) return;
  const { processes } = await MasterWatch.begin(store, signal);
  const left = await countLeft(store, adoptable, signal);
  for (const { migration: { name }, reason, state } of adoptable) {
    const records = left.get(name) ?? 0;
    const told = `${state.inheritedFrom} says that it was applied, ${records} records say otherwise`;
    const adopted: AdoptedState = records > 0
      ? { status: "pending", reason: told }
      : reason !== null
      ? { status: "not_applicable", reason }
      : { status: "applied", at: state.at, beganAt: firstBegin(state) };
    await bookkeeping.adopt(name, adopted, processes, fence);
  }
}

/**
 * How many records are left to do for in-place migrations that are said to be applied: what several installations shared
 * may be true of one of them alone. Of copies nothing can be told: an original without one may have been deleted since.
 */
async function countLeft(
  store: RedisStore,
  standings: readonly Standing[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const rules = { store, later: [], beganAt: null, doneSince: null };
  const inPlace = standings.flatMap(({ migration, reason }) =>
    reason === null && migration.change.type === "transform" ? [{ migration, rules, applied: [] }] : []
  );
  if (inPlace.length === 0) return new Map();
  const forecasts = await forecast(store, inPlace, { signal });
  return new Map(
    forecasts.map(({ migration, items, invalidItems }) => [migration.name, items + invalidItems]),
  );
}

/** Records that nothing is to be done, where nothing of an application is there. @returns Whether it did. */
export async function markFresh(
  { store, bookkeeping }: Books,
  standings: readonly Standing[],
  layout: RedisLayout,
  { fence, signal }: RedisRecordOptions,
): Promise<boolean> {
  if (standings.some(({ state }) => state.own)) return false;
  const { processes } = await MasterWatch.begin(store, signal);
  if (!await isFresh(store, layout, signal)) return false;
  for (const { migration: { name }, reason } of standings) {
    const state = reason === null
      ? { status: "applied", at: null, beganAt: null } as const
      : { status: "not_applicable", reason } as const;
    await bookkeeping.adopt(name, state, processes, fence);
  }
  return true;
}
