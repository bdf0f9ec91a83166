/**
 * Verifies one migration against the records.
 *
 * @module
 */

import type { RedisVerification, RedisVerifyOptions } from "../redis_backend.ts";
import type { StoredState } from "./bookkeeping.ts";
import type { RecordRules } from "./context.ts";
import { checkCopied } from "./copy/check.ts";
import type { RedisMigration } from "./migration.ts";
import { checkConverted } from "./transform/convert_records.ts";
import { ProgressReporter } from "./walk/progress.ts";
import { NAMED_RECORDS, Tally } from "./walk/tally.ts";

/** Looks at the records of a migration that is applied. What is pending cannot be verified. */
export async function verifyMigration(
  id: string,
  migration: RedisMigration,
  state: StoredState,
  rules: RecordRules,
  options: RedisVerifyOptions,
): Promise<RedisVerification> {
  if (state.status === "not_applicable") {
    return { id, valid: true, checksRun: 0, checksPassed: 0, accepted: 0, undecided: 0, issues: [] };
  }
  if (state.status !== "applied") {
    const issue = `${id} is ${state.status}: it cannot be verified before it is applied`;
    return { id, valid: false, checksRun: 0, checksPassed: 0, accepted: 0, undecided: 0, issues: [issue] };
  }
  const tally = new Tally();
  const progress = new ProgressReporter(id, tally, options.onProgress);
  const issues: string[] = [];
  let [failures, accepted, undecided] = [0, 0, 0];
  const fail = (issue: string) => {
    failures++;
    if (issues.length < NAMED_RECORDS) issues.push(issue);
  };
  const context = {
    ...rules,
    signal: options.signal,
    maxRate: options.maxRate,
    batchSize: options.batchSize,
    sample: options.full ? undefined : options.sample,
    onStep: (share: number) => progress.step(share),
    report: {
      pass: () => tally.processed++,
      fail,
      differ: (issue: string) => {
        undecided++;
        fail(issue);
      },
      // Which ones were accepted is not recorded, only how many: what is more than these came later.
      invalid: (issue: string) => {
        if (accepted < state.accepted) accepted++;
        else fail(issue);
      },
    },
  };
  const { change } = migration;
  await (change.type === "copy" ? checkCopied(change, context) : checkConverted(change, context));
  progress.finish();
  if (failures > issues.length) {
    issues.push(`Others that are not as they should be: ${failures - issues.length}`);
  }
  if (failures > 0 && state.inheritedFrom !== null) {
    issues.unshift(`${state.inheritedFrom} says that it was applied, the records say otherwise`);
  }
  const checksPassed = tally.processed + accepted;
  return {
    id,
    valid: failures === 0,
    checksRun: checksPassed + failures,
    checksPassed,
    accepted,
    undecided,
    issues,
  };
}
