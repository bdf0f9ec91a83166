/**
 * A Redis migration: data, and nothing else. Planning, applying, verifying and cleaning up follow from its change.
 *
 * @module
 */

import type { CopyChange } from "./copy/change.ts";
import type { TransformChange } from "./transform/change.ts";

/** One Redis migration. */
export interface RedisMigration {
  /** As in `002_timestamps`. */
  readonly name: string;
  /** Counted from 1 without gaps. */
  readonly version: number;
  /** What it is for, for people. */
  readonly description: string;
  /** Says why there is nothing to do here, or null when it applies. @default It applies */
  isApplicable?(): string | null;
  /** What it does to the records, made by {@linkcode copyKeys} or {@linkcode transformRecords}. */
  readonly change: CopyChange | TransformChange;
}

/** Why a migration has nothing to do here, or null when it applies. */
export function reasonAgainst(migration: RedisMigration): string | null {
  return migration.isApplicable?.() ?? null;
}

/** The changes in place that come after a migration: what they change in a copy is no difference. */
export function changesAfter(
  migrations: readonly RedisMigration[],
  { version }: RedisMigration,
): TransformChange[] {
  return migrations.filter((other) => other.version > version).map(({ change }) => change)
    .filter((change) => change.type === "transform");
}
