/**
 * A Redis migration: data, and nothing else. Planning, applying, verifying and cleaning up follow from its change.
 *
 * @module
 */

import { RegistryError } from "../errors.ts";
import { asked } from "./asked.ts";
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

/**
 * Why a migration has nothing to do here, or null when it applies.
 *
 * @throws {RegistryError} When it cannot tell, or answers what is neither.
 */
export function reasonAgainst(migration: RedisMigration): string | null {
  const answer: unknown = asked("isApplicable", migration, null, () => migration.isApplicable?.()) ?? null;
  if (answer === null || (typeof answer === "string" && answer !== "")) return answer;
  throw new RegistryError(
    `Cannot go by isApplicable() of the migration "${migration.name}": it answered ${JSON.stringify(answer)}`,
    { hint: "It has to answer why there is nothing to do, or null when it applies" },
  );
}
