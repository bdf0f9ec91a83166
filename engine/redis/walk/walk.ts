/**
 * The walk over the keyspace that every Redis migration uses: SCAN on every master, in bounded batches, several of them
 * in flight, so that scanning, reading, converting and writing overlap and memory does not grow with the number of keys.
 *
 * What changes underneath makes it repeat work and never skip any:
 * 1. A SCAN cursor is good for one server process. When a connection was lost and another process answers, the walk over
 *    that node begins anew.
 * 2. In a cluster, keys move between masters. A pass counts only if the slots were the same before and after it and none
 *    was on the move; else there is another pass. Where nothing moves any more and a slot is still half here and half there, any
 *    number of passes may miss records: then the first one is the last.
 *
 * @module
 */

import { RefusedError, type StoreUnreachableError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { settleAll } from "../../settle_all.ts";
import { isAsunder, OpenSlotsError } from "../errors.ts";
import { NodeWalk, passingFailure, type Whole } from "./node_walk.ts";
import { throwIfAborted } from "./pacing.ts";
import { type WalkOptions, WalkPart } from "./part.ts";
import { coveringPattern } from "./pattern.ts";
import { RateLimit } from "../../rate_limit.ts";
import type { RedisStore } from "../store.ts";
import { type MasterNode, readTopology, waitForSlots } from "../topology.ts";

/** Passes that a cluster on the move is given, and the pauses between them, each longer than the one before. */
const PASSES = 40;
const PASS_PAUSE_MS = 250;
const LONGEST_PASS_PAUSE_MS = 5000;
/** Several runs are told of how far it is no more often. */
const TELL_MS = 200;

/**
 * Visits every key that matches and that exists from beginning to end of the walk, at least once.
 *
 * @throws {InterruptedError} When the signal fired. The batches in hand were finished.
 * @throws {OpenSlotsError} When a slot was left half moved. What could be visited was.
 */
export async function walk(store: RedisStore, options: WalkOptions): Promise<void> {
  await store.walks.walk(store, new WalkPart(options), (parts) => void walkForAll(store, parts));
}

/** Walks once for several runs. Never throws: each part is told how it ended. */
async function walkForAll(store: RedisStore, parts: readonly WalkPart[]): Promise<void> {
  const stop = new AbortController();
  let left = parts.length;
  for (const part of parts) part.watch(() => --left === 0 && stop.abort());
  const wishes = parts.map(({ options }) => options);
  let failure: { readonly error: unknown } | null = null;
  try {
    await walkAll(store, {
      parts,
      signal: stop.signal,
      pattern: coveringPattern(wishes.map(({ pattern }) => pattern)),
      maxRate: Math.min(...wishes.map(({ maxRate }) => maxRate ?? Infinity)),
      batchSize: wishes.find(({ batchSize }) => batchSize !== undefined)?.batchSize,
    });
  } catch (error) {
    failure = { error };
  }
  for (const part of parts) part.end(failure);
}

async function walkAll(store: RedisStore, options: Whole): Promise<void> {
  const { maxRate } = options;
  const rate = new RateLimit(maxRate === Infinity ? undefined : maxRate, options.signal);
  let outcome: PassOutcome = "moved";
  for (let pass = 1; pass <= PASSES; pass++) {
    throwIfAborted(options.signal);
    outcome = await tryPass(store, options, rate);
    if (outcome === "complete") return;
    const stuck = outcome === "moved" ? await waitForSlots(store, options.signal) : [];
    if (stuck.length > 0) throw new OpenSlotsError(stuck);
    await pause(Math.min(pass * PASS_PAUSE_MS, LONGEST_PASS_PAUSE_MS), options.signal);
  }
  throwIfAborted(options.signal);
  if (outcome instanceof Error) throw outcome;
  throw new RefusedError("Cannot finish while the cluster's slots are on the move", {
    hint: "Run the same command again when the resharding is over: what is done stays done",
  });
}

/** `moved` when the topology changed, so that keys may have been missed; an error when a master was not there. */
type PassOutcome = "complete" | "moved" | StoreUnreachableError;

async function tryPass(store: RedisStore, options: Whole, rate: RateLimit): Promise<PassOutcome> {
  try {
    const before = await readTopology(store);
    const shares = new Map<MasterNode, number>();
    let toldAt = -Infinity;
    const onShare = (node: MasterNode, share: number) => {
      shares.set(node, share);
      // Of many runs, each would be told of each page.
      const now = performance.now();
      if (options.parts.length > 1 && now - toldAt < TELL_MS) return;
      toldAt = now;
      const sum = [...shares.values()].reduce((one, other) => one + other, 0);
      for (const { options: { onStep } } of options.parts) onStep?.(sum / before.nodes.length);
    };
    await settleAll(
      before.nodes.map((node) =>
        new NodeWalk(
          store,
          node,
          store.clustered ? { ...options, masters: before.nodes.length } : options,
          rate,
          onShare,
        ).run()
      ),
    );
    throwIfAborted(options.signal);
    if (!store.clustered) return "complete";
    const after = await readTopology(store);
    const still = [before, after].every(({ open, covered }) => open.length === 0 && covered);
    return still && before.slots === after.slots ? "complete" : "moved";
  } catch (error) {
    const failure = passingFailure(store, error);
    if (failure === null) throw error;
    return isAsunder(error) ? "moved" : failure;
  }
}
