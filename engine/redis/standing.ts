/**
 * Where the migrations of one Redis stand: what is recorded of each, seen with what the deployment itself says, and what follows
 * from it for the records.
 *
 * @module
 */

import { digestOf } from "../checksum.ts";
import { type MigrationEntry, migrationId, type MigrationInfo } from "../migration.ts";
import type { RedisApplyOptions } from "../redis_backend.ts";
import type { Binary } from "./binary.ts";
import type { Bookkeeping } from "./bookkeeping.ts";
import type { RecordRules, WriteContext } from "./context.ts";
import { reasonAgainst, type RedisMigration } from "./migration.ts";
import { marksOf } from "./own_keys.ts";
import type { RedisStore } from "./store.ts";
import { firstBegin, type StoredState, toldAt } from "./stored_state.ts";
import type { TransformChange } from "./transform/change.ts";
import { Tally } from "./walk/tally.ts";

/** A migration and what became of it. */
export interface Standing {
  readonly id: string;
  readonly migration: RedisMigration;
  /** Why it has nothing to do here, or null when it applies. */
  readonly reason: string | null;
  readonly state: StoredState;
  /** True for what is known, but not from a key of the current name. */
  readonly adoptable: boolean;
  /** The changes in place that come after it. */
  readonly later: readonly TransformChange[];
  /** Those of them that are applied: what is copied now has to be changed too. */
  readonly applied: readonly TransformChange[];
  /** What the names of keys begin with that mark its copies which are not proven yet. */
  readonly markers: Binary;
}

/** Reads where migrations stand. @param migrations All of them, in order. */
export async function readStandings(
  bookkeeping: Bookkeeping,
  migrations: readonly RedisMigration[],
): Promise<readonly Standing[]> {
  const known = await Promise.all(migrations.map(async (migration) => ({
    migration,
    ...judged(migration, await bookkeeping.read(migration.name, migration.version)),
  })));
  return known.map((one, i) => {
    const after = known.slice(i + 1);
    const later = inPlace(after);
    const applied = inPlace(after.filter(({ state }) => state.status === "applied"));
    const markers = marksOf(bookkeeping.layout, one.migration.name);
    return { id: idOf(one.migration), ...one, later, applied, markers };
  });
}

/** @param stored What is recorded; it holds where nothing about the deployment itself says otherwise. */
function judged(
  migration: RedisMigration,
  stored: StoredState,
): Pick<Standing, "reason" | "state" | "adoptable"> {
  const reason = reasonAgainst(migration);
  if (reason !== null) {
    const adoptable = stored.inheritedFrom !== null || stored.status === "pending";
    return { reason, state: { ...stored, status: "not_applicable", reason }, adoptable };
  }
  // It was found not applicable once, and is applicable now.
  const state = stored.status === "not_applicable"
    ? { ...stored, status: "pending" as const, reason: null, at: null }
    : stored;
  return { reason, state, adoptable: stored.inheritedFrom !== null && stored.status === "applied" };
}

function inPlace(known: readonly Pick<Standing, "migration">[]): readonly TransformChange[] {
  return known.map(({ migration: { change } }) => change).filter((change) => change.type === "transform");
}

/** What decides about the records of a migration. */
export function rulesFor(store: RedisStore, { later, state }: Standing): RecordRules {
  return { store, later, beganAt: firstBegin(state), doneSince: state.doneSince, toldAt: toldAt(state) };
}

/** What is needed to write records of a migration outside of its own run. */
export function writeContext(
  store: RedisStore,
  standing: Standing,
  { fence, signal, maxRate, batchSize }: RedisApplyOptions,
): WriteContext {
  const { applied, markers } = standing;
  const converted = applied.map((change) => ({ change, tally: null }));
  const pace = { signal, maxRate, batchSize };
  return { ...rulesFor(store, standing), ...pace, fence, tally: new Tally(), converted, markers };
}

function idOf({ version, name }: RedisMigration): string {
  return migrationId("redis", version, name);
}

/** What a migration tells of itself. */
export function infoOf(migration: RedisMigration): MigrationInfo {
  const { name, version, description, change: { type, pattern, fields } } = migration;
  const checksum = digestOf({ name, version, description, type, pattern, fields });
  return { id: idOf(migration), store: "redis", version, name, description, checksum };
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
