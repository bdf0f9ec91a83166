/**
 * When records end, to the millisecond wherever a server tells that: two forms of a record are the same only if they end together.
 *
 * @module
 */

import { type Binary, fromBytes, toArgument } from "./binary.ts";
import { isUnavailable } from "./errors.ts";
import { READ_END } from "./scripts/reading.ts";
import type { RedisStore } from "./store.ts";

/** When a record ends. */
export interface End {
  /** In Unix milliseconds; null for never; undefined where there is no record. */
  readonly at: number | null | undefined;
  /** It was worked out by two clocks: seconds may lie between what was told and what holds. */
  readonly roughly: boolean;
}

/** A way to ask, tried in this order. */
type Way = (store: RedisStore, keys: readonly Binary[]) => Promise<End[]>;
/** Ways that a server, or its user, does not know. */
const refused = new WeakMap<RedisStore, Set<Way>>();

/** From Redis 7.0 on a server tells the moment. */
const byMoment: Way = async (store, keys) => {
  const told = await store.callMany(keys.map((key) => ["PEXPIRETIME", toArgument(key)] as const));
  return told.map((at) => toEnd(Number(at), 0));
};

/** Before, a script tells what is left and the time within one millisecond. */
const byScript: Way = async (store, keys) =>
  await Promise.all(keys.map(async (key) => {
    const told = await store.evaluate(READ_END, [key], []) as Uint8Array;
    return toEnd(Number(fromBytes(told)), 0);
  }));

/** A user without scripts is told what is left, and has only a clock of its own. */
const byClock: Way = async (store, keys) => {
  const told = await store.callMany(keys.map((key) => ["PTTL", toArgument(key)] as const));
  return told.map((left) => ({ ...toEnd(Number(left), Date.now()), roughly: true }));
};

/** Reads when records end. */
export async function readEnds(store: RedisStore, keys: readonly Binary[]): Promise<End[]> {
  const unknown = refused.get(store) ?? new Set<Way>();
  refused.set(store, unknown);
  for (const way of [byMoment, byScript]) {
    if (unknown.has(way)) continue;
    try {
      return await way(store, keys);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      unknown.add(way);
    }
  }
  return await byClock(store, keys);
}

/** @param told -1 for never, -2 for no record. */
function toEnd(told: number, from: number): End {
  return { at: told === -2 ? undefined : told < 0 ? null : from + told, roughly: false };
}
