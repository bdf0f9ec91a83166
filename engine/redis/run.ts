/**
 * One run of one migration: recorded as begun, and then as what became of it. Every run is one whole pass: between two runs an
 * application may have written anywhere.
 *
 * @module
 */

import type { RedisApplyOptions } from "../redis_backend.ts";
import { MigrationError } from "../errors.ts";
import { migrationId, type MigrationResult } from "../migration.ts";
import type { Binary } from "./binary.ts";
import type { Bookkeeping } from "./bookkeeping.ts";
import type { StoredState } from "./stored_state.ts";
import { OpenSlotsError, replyCode, toStoreError } from "./errors.ts";
import { copyRecords } from "./copy/copy_records.ts";
import type { WriteContext } from "./context.ts";
import { MasterWatch } from "./master_watch.ts";
import type { RedisMigration } from "./migration.ts";
import { ProgressReporter } from "./walk/progress.ts";
import type { RedisStore } from "./store.ts";
import { Tally } from "./walk/tally.ts";
import type { TransformChange } from "./transform/change.ts";
import { convertRecords } from "./transform/convert_records.ts";

/** So often everything is looked at, where servers are replaced meanwhile. */
const LOOKS = 10;
/** Older tools tell only when a run of theirs ended. Their lock lasted an hour: it began no longer before that. */
const LONGEST_RUN_MS = 3_600_000;

/** What a run needs to know. */
export interface Run {
  readonly store: RedisStore;
  readonly bookkeeping: Bookkeeping;
  readonly migration: RedisMigration;
  /** What was recorded before this run. */
  readonly state: StoredState;
  readonly later: readonly TransformChange[];
  /** Those of them that are applied. */
  readonly converted: readonly TransformChange[];
  readonly markers: Binary;
  readonly options: RedisApplyOptions;
}

/**
 * Runs it.
 *
 * @returns The outcome, as recorded.
 * @throws {MigrationError} When the run was cut off: interrupted, locked out, or without a server.
 */
export async function runMigration(run: Run): Promise<MigrationResult> {
  const { store, bookkeeping, migration, state, options } = run;
  const { name, version } = migration;
  const startedAt = performance.now();
  const id = migrationId("redis", version, name);
  const tally = new Tally();
  const progress = new ProgressReporter(id, tally, options.onProgress);
  let fault: string | null | undefined;
  for (let look = 1; fault === undefined; look++) {
    const watch = await MasterWatch.begin(store, options.signal);
    const begin = await bookkeeping.begin(name, firstBegin(state), state.doneSince, options.fence);
    fault = await faultOf(id, migration.change, {
      store,
      later: run.later,
      converted: run.converted,
      beganAt: begin.beganAt,
      doneSince: state.doneSince,
      unfinished: look > 1 || state.status === "running" || state.status === "failed",
      markers: run.markers,
      fence: options.fence,
      tally,
      skipInvalid: options.skipInvalid ?? false,
      signal: options.signal,
      maxRate: options.maxRate,
      batchSize: options.batchSize,
      onStep: (share: number) => progress.step(share),
    });
    progress.finish();
    if (fault === null && tally.failed === 0) {
      const fate = await watch.prove(options.signal);
      const recorded = fate.state === "kept" &&
        await bookkeeping.applied(name, begin, tally, watch.processes, options.fence);
      // Asked once more afterwards: one master may have been replaced while another took the record.
      if (fate.state === "doubtful") fault = fate.why;
      else if (!recorded || !await watch.isSame()) {
        fault = look < LOOKS ? undefined : "Redis was replaced again and again";
      }
    }
  }
  const issues = fault === null ? tally.issues : [fault, ...tally.issues];
  const outcome = fault === null && tally.failed === 0 ? "applied" : "failed";
  if (outcome === "failed") await bookkeeping.failed(name, tally, issues, options.fence);
  const { processed, failed, skipped, conflicts } = tally;
  const durationMs = Math.round(performance.now() - startedAt);
  return { id, outcome, processed, failed, skipped, conflicts, durationMs, issues };
}

/** When the first run of a migration began; null for one that never ran, or when nothing tells. */
export function firstBegin({ beganAt, status, at }: StoredState): Date | null {
  if (beganAt !== null || status !== "applied") return beganAt;
  return new Date(at === null ? 0 : at.getTime() - LONGEST_RUN_MS);
}

/** One pass. @returns What the server finds fault with, such as a full memory; a fault of the program is thrown. */
async function faultOf(
  id: string,
  change: RedisMigration["change"],
  context: WriteContext,
): Promise<string | null> {
  try {
    await (change.type === "copy" ? copyRecords(change, context) : convertRecords(change, context));
    return null;
  } catch (error) {
    const failure = toStoreError(error, `Cannot apply ${id}`);
    if (failure instanceof OpenSlotsError) return failure.message; // What could be done is done, and this is why not all of it.
    if (failure instanceof MigrationError || replyCode(failure) === null) throw failure;
    return `The server answered ${codeWithin(failure) ?? replyCode(failure)}`;
  }
}

/** Before 7.0, a server that finds fault with a command of a script tells so with an error of the script. */
function codeWithin(error: unknown): string | null {
  return /@user_script: ?\d+: -([A-Z]+) /.exec(String(error))?.[1] ?? null;
}
