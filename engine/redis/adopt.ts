/**
 * How the bookkeeping of a deployment begins: with what older tools recorded, or on a fresh Redis with nothing left to do.
 *
 * @module
 */

import type { RedisRecordOptions } from "../redis_backend.ts";
import { asked } from "./asked.ts";
import type { AdoptedState, Bookkeeping } from "./bookkeeping.ts";
import { type Binary, encodeText, escapePattern } from "./binary.ts";
import type { RedisLayout } from "./layout.ts";
import { MasterWatch } from "./master_watch.ts";
import { forecast } from "./plan.ts";
import type { Standing } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import { firstBegin } from "./stored_state.ts";
import { anyKey } from "./walk/key_search.ts";
import { coveringPattern } from "./walk/pattern.ts";

/** Records under the current names what is known from others. What is said to be applied and is not becomes pending. @returns Whether there was any. */
export async function adoptOlder(
  bookkeeping: Bookkeeping,
  standings: readonly Standing[],
  { fence, signal }: RedisRecordOptions,
): Promise<boolean> {
  const adoptable = standings.filter((standing) => standing.adoptable);
  if (adoptable.length === 0) return false;
  const { store } = bookkeeping;
  const { processes } = await MasterWatch.begin(store, signal);
  // What several installations shared may be true of one of them alone. Of copies nothing can be told: an original without one may
  // have been deleted since.
  const inPlace = adoptable.filter(({ migration }) => migration.change.type === "transform");
  const left = await forecast(store, inPlace, { signal });
  for (const { id, migration, reason, state } of adoptable) {
    const { estimatedItems = 0, invalidItems = 0 } = left.find((plan) => plan.id === id) ?? {};
    const records = estimatedItems + invalidItems;
    const told = `${state.inheritedFrom} says that it was applied, ${records} records say otherwise`;
    const adopted: AdoptedState = records > 0
      ? { status: "pending", reason: told }
      : reason !== null
      ? { status: "not_applicable", reason }
      : { status: "applied", at: state.at, beganAt: firstBegin(state) };
    await bookkeeping.adopt(migration.name, adopted, processes, fence);
  }
  return true;
}

/** Records that nothing is to be done, where nothing of an application is there. @returns Whether it did. */
export async function markFresh(
  bookkeeping: Bookkeeping,
  standings: readonly Standing[],
  { fence, signal }: RedisRecordOptions,
): Promise<boolean> {
  if (standings.some(({ state }) => state.own)) return false;
  const { store, layout } = bookkeeping;
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

/**
 * Looks for keys that a used installation has, in one walk, and stops at the first.
 *
 * @throws {InterruptedError} When the signal fired.
 */
async function isFresh(store: RedisStore, layout: RedisLayout, signal: AbortSignal): Promise<boolean> {
  const prefixes = layout.usedPrefixes.map(encodeText);
  const isUsed = (key: Binary) =>
    prefixes.some((prefix) => key.startsWith(prefix)) &&
    !asked("isIgnored", null, key, () => layout.isIgnored(key));
  const pattern = coveringPattern(prefixes.map((prefix) => `${escapePattern(prefix)}*`));
  return !await anyKey(store, pattern, signal, (keys) => keys.some(isUsed));
}
