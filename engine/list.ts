/**
 * Every migration with its status.
 *
 * @module
 */

import { PendingError } from "./errors.ts";
import { hint } from "./hint.ts";
import type { MigrationEntry } from "./migration.ts";
import type { PendingCounts, State, UnreadStore } from "./state.ts";

/** Every migration with its status. */
export interface MigrationList {
  /** The deployment; empty for none. */
  readonly deployment: string;
  /** Postgres first, then ClickHouse, then Redis, each in version order. */
  readonly migrations: readonly MigrationEntry[];
  /** How many keep a server from starting. */
  readonly pending: PendingCounts;
  /** Stores whose bookkeeping somebody holds, where that was allowed: they count for nothing in `pending`. */
  readonly unread?: readonly UnreadStore[];
}

/** Lists what was read. */
export function makeList(deployment: string, { entries, pending, unread }: State): MigrationList {
  const known = { deployment, migrations: entries, pending };
  return unread.length === 0 ? known : { ...known, unread };
}

/** @throws {PendingError} When anything is pending. */
export function assertNonePending({ pending }: State): void {
  if (pending.sql === 0 && pending.redis === 0) return;
  throw new PendingError(
    `Cannot start: ${pending.sql} SQL and ${pending.redis} Redis migrations are pending`,
    pending,
    { hint: hint`Apply them first: ${"apply"}` },
  );
}
