/**
 * Where a database stands between its version table and our history.
 *
 * @module
 */

import { type SqlStep, stepChecksum } from "../sql/step.ts";
import type { HistoryRow, RecordedVersion } from "./bookkeeping.ts";

/** A step of ours that was cut off. */
export interface CutOff {
  /** The step to run again. */
  readonly step: number;
  /** The version that is complete. */
  readonly from: number;
}

/**
 * Tells a dirty version that a run of ours left, which the next run repairs, from one of another tool, which a person must.
 *
 * @returns Null for a clean version, and for a dirty one that is not ours.
 */
export function resumable(recorded: RecordedVersion, history: readonly HistoryRow[]): CutOff | null {
  if (!recorded.dirty) return null;
  const begun = history.findLast((row) => row.sequence === recorded.sequence);
  if (begun?.state === "started") return { step: begun.version, from: begun.version - 1 };
  // Half taken back it still counts as there: the same `down` takes back the rest of it, and not the step before.
  if (begun?.state === "taking_back") return { step: begun.version, from: begun.version };
  return null;
}

/** Names applied steps that were edited since. Steps that another tool applied have no history, which is no drift. */
export function findDrift(
  version: number,
  history: readonly HistoryRow[],
  steps: readonly SqlStep[],
): string[] {
  return steps.filter((step) => step.version <= version).flatMap((step) => {
    const newest = history.findLast((row) => row.version === step.version);
    if (newest?.state !== "applied" || newest.checksum === stepChecksum(step)) return [];
    return [`Version ${step.version} (${step.name}) was changed after it was applied`];
  });
}
