/**
 * Cleaning up while the masters are watched: what a replica that takes over does not have may not be deleted.
 *
 * @module
 */

import { RefusedError } from "../errors.ts";
import type { Progress } from "../migration.ts";
import type { CleanupReport, WriteContext } from "./context.ts";
import type { CopyChange } from "./copy/change.ts";
import { cleanUp } from "./copy/cleanup.ts";
import { MasterWatch } from "./master_watch.ts";
import { ProgressReporter } from "./walk/progress.ts";

/**
 * Deletes what is proven, once the replicas have confirmed the copies, and says so where another Redis took over meanwhile.
 *
 * @throws {RefusedError} When the replicas do not follow. Nothing was deleted then.
 */
export async function cleanUpWatched(
  id: string,
  change: CopyChange,
  context: WriteContext,
  onProgress?: (progress: Progress) => void,
): Promise<CleanupReport> {
  const { store, signal, tally } = context;
  const watch = await MasterWatch.begin(store, signal);
  const fate = await watch.prove(signal);
  if (fate.state !== "kept") {
    const why = fate.state === "changed" ? "another Redis took over meanwhile" : fate.why;
    throw new RefusedError(`Cannot clean up ${id} yet: ${why}`, {
      hint: "Nothing was deleted. Run the same command again when the replicas follow",
    });
  }
  const progress = new ProgressReporter(id, tally, onProgress);
  const report = await cleanUp(change, { ...context, onStep: (share) => progress.step(share) });
  progress.finish();
  const since = await watch.prove(signal);
  if (since.state === "kept") return report;
  const what = since.state === "changed" ? "another Redis took over" : since.why;
  const told = `While this was going on, ${what}: verify --full tells what is there`;
  return { ...report, issues: [told, ...report.issues] };
}
