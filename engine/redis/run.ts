/**
 * One run of migrations: recorded as begun, and then as what became of each. Every run is one whole pass: between two runs an
 * application may have written anywhere.
 *
 * @module
 */

import type { RedisApplyOptions } from "../redis_backend.ts";
import type { MigrationResult } from "../migration.ts";
import type { Bookkeeping } from "./bookkeeping.ts";
import type { EvictedKeys } from "./stored_state.ts";
import { MasterWatch } from "./master_watch.ts";
import { forgetMarkers } from "./copy/markers.ts";
import { pass, type Task } from "./pass.ts";
import type { Standing } from "./standing.ts";
import { ProgressReporter } from "./walk/progress.ts";
import { Tally } from "./walk/tally.ts";

/** So often everything is looked at, where servers are replaced meanwhile. */
const LOOKS = 10;

/**
 * Runs migrations in one pass.
 *
 * @param standings Of those to run, in the order of their versions.
 * @returns What became of each, as recorded. One that comes after a migration that could not do everything has not done it either.
 * @throws {MigrationError} When the run was cut off: interrupted, locked out, or without a server.
 */
export async function runMigrations(
  bookkeeping: Bookkeeping,
  standings: readonly Standing[],
  options: RedisApplyOptions,
): Promise<MigrationResult[]> {
  const { store } = bookkeeping;
  const startedAt = performance.now();
  const counted = standings.map((standing) => {
    const tally = new Tally();
    return { ...standing, tally, progress: new ProgressReporter(standing.id, tally, options.onProgress) };
  });
  let fault: string | null | undefined;
  let recorded = 0;
  let evicted = untold(standings);
  for (let look = 1; fault === undefined; look++) {
    const watch = await MasterWatch.begin(store, options.signal, evicted);
    ({ evicted } = watch);
    const tasks: Task[] = [];
    for (const one of counted) {
      const { migration: { name, change }, state, markers } = one;
      if (look === 1 && change.type === "copy" && state.status === "applied") {
        await forgetMarkers({ store, fence: options.fence, markers });
      }
      const begin = await bookkeeping.begin(name, state, evicted, options.fence);
      tasks.push({ ...one, begin });
    }
    fault = await pass(store, tasks, look, options);
    for (const { progress } of tasks) progress.finish();
    const failing = tasks.findIndex(({ tally }) => tally.failed > 0);
    const done = failing < 0 ? tasks : tasks.slice(0, failing);
    if (fault !== null || done.length === 0) continue;
    const fate = await watch.prove(options.signal);
    recorded = 0;
    for (const { migration: { name }, begin, tally } of fate.state === "kept" ? done : []) {
      if (!await bookkeeping.applied(name, begin, tally, watch.processes, options.fence)) break;
      recorded++;
    }
    // Asked once more afterwards: one master may have been replaced while another took the record.
    if (fate.state !== "changed") evicted = new Map(); // That is told now.
    if (fate.state === "doubtful") fault = fate.why;
    else if (recorded < done.length || !await watch.isSame()) {
      [fault, recorded] = [look < LOOKS ? undefined : "Redis was replaced again and again", 0];
    }
  }
  passOn(counted);
  const durationMs = Math.round(performance.now() - startedAt);
  const results: MigrationResult[] = [];
  for (const [i, { id, migration: { name }, tally }] of counted.entries()) {
    const outcome = i < recorded ? "applied" : "failed";
    const issues = fault === null || outcome === "applied" ? tally.issues : [fault!, ...tally.issues];
    if (outcome === "failed") await bookkeeping.failed(name, tally, issues, evicted, options.fence);
    const { processed, failed, skipped, conflicts } = tally;
    // The time of all is that of the last.
    const took = i === counted.length - 1 ? durationMs : 0;
    const undecided = tally.undecided === 0 ? {} : { undecided: tally.undecided };
    results.push({
      id,
      outcome,
      processed,
      failed,
      ...undecided,
      skipped,
      conflicts,
      durationMs: took,
      issues,
    });
  }
  return results;
}

/** What runs found evicted when they began that did not come to tell what was evicted since: the earliest counts there are. */
function untold(standings: readonly Standing[]): EvictedKeys {
  const known = standings.flatMap(({ state }) => [...state.evicted]);
  return new Map(known.sort(([, one], [, other]) => other - one));
}

/** What a migration could not do is not done for those after it. */
function passOn(tasks: readonly Pick<Task, "id" | "tally">[]): void {
  tasks.forEach(({ id, tally }, i) => {
    for (const later of tasks.slice(i + 1)) {
      for (const key of tally.failures.keys()) {
        if (!later.tally.failures.has(key)) later.tally.fail(key, `${id} could not do it`);
      }
    }
  });
}
