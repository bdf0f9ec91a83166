/**
 * Where a Redis migration stands: what is recorded of it, seen with what the deployment itself says.
 *
 * @module
 */

import { digestOf } from "../checksum.ts";
import { type MigrationEntry, migrationId, type MigrationInfo } from "../migration.ts";
import { reasonAgainst, type RedisMigration } from "./migration.ts";
import type { StoredState } from "./stored_state.ts";

/** A migration and what became of it. */
export interface Standing {
  readonly migration: RedisMigration;
  /** Why it has nothing to do here, or null when it applies. */
  readonly reason: string | null;
  readonly state: StoredState;
  /** True for what is known, but not from a key of the current name. */
  readonly adoptable: boolean;
}

/** @param stored What is recorded; it holds where nothing about the deployment itself says otherwise. */
export function standingOf(migration: RedisMigration, stored: StoredState): Standing {
  const reason = reasonAgainst(migration);
  if (reason !== null) {
    const adoptable = stored.inheritedFrom !== null || stored.status === "pending";
    return { migration, reason, state: { ...stored, status: "not_applicable", reason }, adoptable };
  }
  // It was found not applicable once, and is applicable now.
  const state = stored.status === "not_applicable"
    ? { ...stored, status: "pending" as const, reason: null, at: null }
    : stored;
  return {
    migration,
    reason,
    state,
    adoptable: stored.inheritedFrom !== null && stored.status === "applied",
  };
}

/** What a migration tells of itself. */
export function infoOf({ name, version, description, change }: RedisMigration): MigrationInfo {
  const { type, pattern, fields } = change;
  return {
    id: migrationId("redis", version, name),
    store: "redis",
    version,
    name,
    description,
    checksum: digestOf({ name, version, description, type, pattern, fields }),
  };
}

/** The same with its status. */
export function entryOf({ migration, state }: Standing): MigrationEntry {
  const { id, store, version, name, description } = infoOf(migration);
  const { status, reason, at, inheritedFrom } = state;
  return {
    ...{ id, store, version, name, description, status },
    reason: reason ?? (inheritedFrom === null ? null : `Recorded in ${inheritedFrom}`),
    appliedAt: status === "applied" ? at : null,
  };
}
