/**
 * Cleans up after a copy: walks over the originals and deletes what is proven, while the masters are watched. What a replica that
 * takes over does not have may not be deleted.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import type { CleanupResult, Progress } from "../../migration.ts";
import type { ReadContext, WriteContext } from "../context.ts";
import { walkOver } from "../lookalikes.ts";
import { MasterWatch } from "../master_watch.ts";
import { untilEnough } from "../walk/key_search.ts";
import type { WalkOptions } from "../walk/part.ts";
import { matcherOf } from "../walk/pattern.ts";
import { ProgressReporter } from "../walk/progress.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import { firstTurn, isAnyKept } from "./cleanup_turn.ts";
import { deleteProven } from "./delete_proven.ts";
import { forgetMarkers } from "./markers.ts";
import { findPairs } from "./pairs.ts";

/** Counts the originals that are still there. @param any Stops at the first one. */
export async function countOriginals(
  change: CopyChange,
  context: ReadContext,
  any: boolean,
): Promise<number> {
  const { store } = context;
  const isMeant = matcherOf(change.pattern);
  let count = 0;
  await untilEnough(
    context.signal,
    (signal, enough) =>
      walkOver(store, [change], { ...context, signal }, (lookalikes) => {
        count = 0;
        return async (keys) => {
          const { length } = await findPairs(change, store, lookalikes, keys.filter(isMeant));
          count += length; // Not in one with the await: other batches add to it meanwhile.
          if (any && length > 0) enough();
        };
      }),
  );
  return any ? Math.min(count, 1) : count;
}

/**
 * Deletes what is proven, once the replicas have confirmed the copies, and says so where another Redis took over meanwhile.
 *
 * @throws {RefusedError} When the replicas do not follow. Nothing was deleted then.
 */
export async function cleanUp(
  id: string,
  change: CopyChange,
  context: WriteContext,
  onProgress?: (progress: Progress) => void,
): Promise<CleanupResult> {
  const { store, signal, tally } = context;
  const watch = await MasterWatch.begin(store, signal);
  const fate = await watch.prove(signal);
  if (fate.state !== "kept") {
    const why = fate.state === "changed" ? "another Redis took over meanwhile" : fate.why;
    throw new RefusedError(`Cannot clean up ${id} yet: ${why}`, {
      hint: "Nothing was deleted. Run the same command again when the replicas follow",
    });
  }
  await forgetMarkers(context);
  const progress = new ProgressReporter(id, tally, onProgress);
  await deleteAll(change, { ...context, onStep: (share) => progress.step(share) });
  progress.finish();
  const since = await watch.prove(signal);
  const { processed, failed, issues } = tally;
  if (since.state !== "kept") {
    const what = since.state === "changed" ? "another Redis took over" : since.why;
    issues.unshift(`While this was going on, ${what}: verify all records to see what is there`);
  }
  return { id, deleted: processed, kept: failed, issues };
}

/**
 * Deletes what is proven. What is kept is counted and, for the first few, named.
 *
 * The original of a record that the application has changed since is what proves a list of such records: those go in a second walk.
 * The originals that tell lookalikes apart go in the last one, and only if nothing was kept: what they tell apart would be taken for
 * another record without them.
 */
async function deleteAll(change: CopyChange, context: WriteContext): Promise<void> {
  const { store, tally } = context;
  const isMeant = matcherOf(change.pattern);
  let turn = firstTurn(false);
  const visit: WalkOptions["visit"] = (keys, size) =>
    deleteProven(change, context, turn, keys.filter(isMeant), size);
  await walkOver(store, [change], context, (lookalikes) => {
    turn = firstTurn(lookalikes);
    return visit;
  });
  for (const whose of ["proving", "telling"] as const) {
    if (turn.deferred[whose] === 0) continue;
    turn = { ...turn, whose, isKept: isAnyKept(tally) };
    await walk(store, { ...context, pattern: change.pattern, visit });
  }
}
