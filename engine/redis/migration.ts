/**
 * What a Redis migration is made of. Authors build one from {@linkcode transformRecords} or {@linkcode copyKeys}.
 *
 * @module
 */

import type { CleanupReport, ReadContext, VerifyContext, WriteContext } from "./context.ts";
import type { CopyPattern } from "./copy/copy_keys.ts";
import type { TransformPattern } from "./transform/transform_records.ts";

/** One Redis migration. */
export interface RedisMigration {
  /** As in `002_timestamps`. */
  readonly name: string;
  /** Counted from 1 without gaps. */
  readonly version: number;
  /** What it is for, for people. */
  readonly description: string;
  /** Says why there is nothing to do here, or null when it applies. */
  isApplicable(): string | null;
  /** What it would do, told by the pattern that it is built from. */
  plan(): CopyPattern | TransformPattern;
  /** Does it. What became of the records is told in the context's tally. */
  apply(context: WriteContext): Promise<void>;
  /** Looks for records that are not as they should be. */
  verify(context: VerifyContext): Promise<void>;
  /** Deletes what `apply` left behind. Absent where it leaves nothing. */
  cleanup?(context: WriteContext): Promise<CleanupReport>;
  /** Counts what `cleanup` would look at. */
  planCleanup?(context: ReadContext): Promise<number>;
}
