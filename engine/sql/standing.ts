/**
 * Where a database stands: what its version table and the tool's own history say together, the same for every SQL store.
 *
 * @module
 */

import { harmless } from "../foreign_text.ts";
import type { SqlState } from "../sql_backend.ts";
import type { DownTarget } from "./sql_plan.ts";
import {
  type MigrationEntry,
  migrationId,
  type MigrationStatus,
  type SqlStoreName,
  type StorePlace,
  storeTitle,
} from "../migration.ts";
import { DirtyError, RefusedError } from "../errors.ts";
import { dirtyHint, hint } from "../hint.ts";
import { type SqlStep, stepChecksum } from "./step.ts";

/** An applied step as the history has it. */
export interface RecordedStep {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  /** Null where that is not known. */
  readonly appliedAt: Date | null;
}

/** A step of ours that was cut off outside of a transaction. */
export interface CutOff {
  readonly version: number;
  readonly direction: "up" | "down";
}

/** What was read of a database. */
export interface Standing {
  /** The version that is complete. A step half taken back still counts as there. */
  readonly version: number;
  /** Another tool failed in the middle of `version`. */
  readonly dirty: boolean;
  /** The step that a run of ours left half done, or null. */
  readonly cutOff: CutOff | null;
  /** What the history holds of applied steps, in the order of recording. */
  readonly history: readonly RecordedStep[];
  /** What is wrong with the bookkeeping itself, one sentence each. */
  readonly faults: readonly string[];
  /** What tells this database from another, without secrets. */
  readonly identity: string;
  readonly place: StorePlace;
}

/** What is wrong with a version as text that no number of this program holds; empty for any that a release has. */
export function findRounded(version: string): readonly string[] {
  const known = Number(version);
  if (Number.isSafeInteger(known)) return [];
  return [`The version recorded is ${harmless(version)}, which is told as ${known}: no release has it`];
}

/** The state as the engine asks for it. */
export function stateOf(store: SqlStoreName, steps: readonly SqlStep[], standing: Standing): SqlState {
  const { version, dirty, faults, identity, place } = standing;
  const drift = findDrift(steps, standing);
  return {
    version,
    latest: steps.length,
    dirty,
    ahead: version > steps.length,
    entries: steps.map((step) => entryOf(store, step, standing)),
    drift,
    misrecorded: drift.length > 0 && drift.length === faults.length,
    identity,
    place,
  };
}

/** What keeps a database from being what its version says, one sentence each, but for its tables. */
export function findGaps({ drift, dirty, ahead, version, latest, entries }: SqlState): string[] {
  const gaps = [...drift];
  if (dirty) gaps.push(`Version ${version} was left dirty by another tool`);
  if (ahead) gaps.push(`The database is at version ${version}: this program knows ${latest}`);
  const pending = entries.filter(({ status }) => status === "pending" || status === "failed");
  if (pending.length > 0) gaps.push(`Pending: ${pending.map(({ id }) => id).join(", ")}`);
  return gaps;
}

/**
 * Another tool failed in the middle of a step.
 *
 * @param latest The highest version that this program knows, where that may be lower.
 * @param flag {@linkcode storeFlag}
 */
export function dirtyError(store: SqlStoreName, version: number, latest = version, flag = ""): DirtyError {
  return new DirtyError(
    version,
    `Cannot change ${storeTitle(store)}: version ${version} was left dirty by another tool`,
    { hint: dirtyHint(version, latest, flag) },
  );
}

/**
 * Makes sure that a step is the next one in its direction. A half-done one is: up again, or down again.
 *
 * @throws {DirtyError} When another tool left the database dirty.
 * @throws {RefusedError} When the database is elsewhere.
 */
export function assertNext(
  store: SqlStoreName,
  step: SqlStep,
  direction: "up" | "down",
  { version, dirty, cutOff }: Pick<Standing, "version" | "dirty" | "cutOff">,
): void {
  const id = migrationId(store, step.version, step.name);
  if (dirty) throw dirtyError(store, version);
  if (direction === "up" && cutOff?.direction === "down") {
    throw new RefusedError(`Cannot apply ${id}: taking it back was cut off, and is to be finished first`, {
      hint: hint`Finish it with ${`down --to ${cutOff.version - 1}`}`,
    });
  }
  if (version === (direction === "up" ? step.version - 1 : step.version)) return;
  throw new RefusedError(
    `Cannot ${direction === "up" ? "apply" : "take back"} ${id}: the database is at version ${version}`,
    {
      hint: direction === "up"
        ? "Steps are applied in order, one after the other"
        : "Steps are taken back in order, the newest first",
    },
  );
}

/** The version that a target leads to, from the one reached: never above it. */
export function lowestOf(target: DownTarget, version: number): number {
  return typeof target === "number" ? Math.max(0, version - target) : Math.min(target.to, version);
}

/** @throws {RefusedError} When no step has this version. */
export function assertForceable(version: number, latest: number): void {
  if (Number.isInteger(version) && version >= 0 && version <= latest) return;
  throw new RefusedError(`Cannot set the version to ${version}: known are 0 to ${latest}`);
}

function entryOf(store: SqlStoreName, step: SqlStep, standing: Standing): MigrationEntry {
  const recorded = standing.history.findLast(({ version }) => version === step.version);
  return {
    id: migrationId(store, step.version, step.name),
    store,
    version: step.version,
    name: step.name,
    description: step.description,
    ...statusOf(step, standing),
    appliedAt: step.version <= standing.version ? recorded?.appliedAt ?? null : null,
  };
}

function statusOf(
  step: SqlStep,
  { version, dirty, cutOff }: Standing,
): { readonly status: MigrationStatus; readonly reason: string | null } {
  // Below version 1 another tool failed in the middle of taking it back.
  if (dirty && step.version === Math.max(1, version)) {
    return { status: "dirty", reason: "Another tool failed in the middle of it" };
  }
  if (cutOff?.version === step.version) {
    return cutOff.direction === "up"
      ? { status: "failed", reason: "It was cut off: the next apply does the rest" }
      : { status: "failed", reason: "Taking it back was cut off: the next down does the rest" };
  }
  return { status: step.version <= version ? "applied" : "pending", reason: null };
}

/** A history that stops short of the version is no drift: golang-migrate went on from there. */
function findDrift(steps: readonly SqlStep[], { version, history, faults }: Standing): string[] {
  const drift = [...faults];
  const known = new Map(steps.map((step) => [step.version, step]));
  let highest = 0;
  // What lies above the version was taken back by golang-migrate, which knows nothing of the history.
  for (const row of history.filter((one) => one.version <= version)) {
    const step = known.get(row.version);
    if (step === undefined) {
      if (row.version <= steps.length) {
        drift.push(`Version ${row.version} (${row.name}) is recorded and unknown`);
      }
    } else if (step.name !== row.name) {
      drift.push(`Version ${row.version} is recorded as "${row.name}", and is "${step.name}" here`);
    } else if (row.checksum !== stepChecksum(step)) {
      drift.push(`Version ${row.version} (${row.name}) was changed after it was applied`);
    }
    if (row.version < highest) {
      drift.push(`Version ${row.version} (${row.name}) was recorded after version ${highest}`);
    }
    highest = Math.max(highest, row.version);
  }
  return drift.map(harmless);
}
