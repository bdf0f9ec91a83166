/**
 * How a copy stands to its original: the one rule that applying, verifying and cleaning up share. Pure.
 *
 * @module
 */

import { isNumericTimestamp, parseTimestamp } from "../../timestamp.ts";
import type { Binary } from "../binary.ts";
import { byTurns, type Values } from "../bulk_reads.ts";
import type { RecordRules } from "../context.ts";
import { changesOf, isInconvertible, type TransformChange } from "../transform/change.ts";
import type { CopyChange } from "./change.ts";
import type { Content } from "./content.ts";

/** What decides beside the two records. */
export interface Rules extends Omit<RecordRules, "store"> {
  readonly change: CopyChange;
  /** True in a cluster, where the two are on different nodes and moves of slots make their ends drift. */
  readonly drifts: boolean;
}

/** How a copy stands to its original. */
export type Verdict =
  /** Done, and proven: the same, apart from what later migrations change. */
  | "same"
  /** Kept, and proven: the application changed or deleted it since, and nobody the original. */
  | "newer"
  /** Nobody can tell which of the two is right. */
  | "different"
  /** What is there may be no copy but another original, which has none. */
  | "contested"
  /** There is none, and there never was. */
  | "absent"
  /** There is none any more: the application deleted it. */
  | "deleted"
  /** There is none, and an old application has written the original since all had one. */
  | "late"
  /** There is none, and nothing tells why. */
  | "unknown";

/**
 * Ends lie this far apart at most that are the same but for what they went through, in milliseconds: MIGRATE, by which slots of a
 * cluster move, passes on what is left of a life and not its end; and without scripts a server before 7.0 tells no end at all.
 */
const DRIFT_MS = 2000;

/** Judges a record that is no list. */
export function judge(rules: Rules, target: Binary, original: Content, copy: Content | null): Verdict {
  if (copy === null) return judgeMissing(rules, ownTime(rules.change, original.fields));
  if (isSame(rules, target, original, copy)) return "same";
  return isNewer(rules, original, copy) ? "newer" : "different";
}

/** @param changed When the original was last changed; null when nothing tells. */
export function judgeMissing({ doneSince, toldAt }: Rules, changed: OwnTime | null): Verdict {
  if (doneSince === null && toldAt !== undefined) {
    return changed !== null && changed.from >= toldAt.getTime() ? "late" : "unknown";
  }
  if (doneSince === null) return "absent";
  if (changed === null) return "unknown";
  if (changed.to < doneSince.getTime()) return "deleted";
  return changed.from >= doneSince.getTime() ? "late" : "unknown";
}

/** True when the two are the same, ends included, apart from what later migrations change. */
export function isSame(
  { later, drifts }: Pick<Rules, "later" | "drifts">,
  target: Binary,
  original: Content,
  copy: Content,
): boolean {
  if (original.type !== copy.type || !endsTogether(drifts, original, copy)) return false;
  if (original.fields === null || copy.fields === null) return original.members === copy.members;
  if (areEqual(afterMigrations(target, original.fields, later), copy.fields)) return true; // Most of them.
  const repaired = withRepairs(target, original.fields, copy.fields, later);
  const migrated = afterMigrations(target, repaired, later);
  for (const [field, value] of original.fields) {
    const found = copy.fields.get(field);
    if (found !== value && found !== migrated.get(field) && found !== repaired.get(field)) return false;
  }
  for (const [field, value] of copy.fields) {
    if (!original.fields.has(field) && migrated.get(field) !== value) return false;
  }
  return true;
}

/**
 * True when the application has changed or deleted the copy, and nobody the original since it was to be copied. A copy that
 * lacks a field is none that was changed, but another record; only what the application takes away by itself may be gone.
 */
function isNewer({ change, beganAt }: Rules, original: Content, copy: Content): boolean {
  if (original.fields === null || copy.fields === null || beganAt === null) return false;
  const [before, now] = [ownTime(change, original.fields), ownTime(change, copy.fields)];
  if (before === null || now === null || before.to >= beganAt.getTime() || now.from <= before.to) {
    return false;
  }
  // What was there before anything was copied may be another record that goes to the same key.
  if (change.oneToOne !== true && now.to < beganAt.getTime()) return false;
  const deletedAt = deletionOf(change, copy.fields);
  if (deletedAt !== null) return deletedAt > before.to;
  return [...original.fields].every(([field, value]) =>
    copy.fields!.has(field) || isTakenAway(change, field, value, copy.fields!)
  );
}

/** True when a copy lacks a time because the application took it away, in a write that set a later one. */
function isTakenAway(
  { takenAway }: CopyChange,
  field: Binary,
  value: Binary,
  copy: ReadonlyMap<Binary, Binary>,
): boolean {
  const setWith = takenAway?.get(field);
  if (setWith === undefined) return false;
  const [was, set] = [parseTimestamp(value), parseTimestamp(copy.get(setWith) ?? "")];
  return was !== null && set !== null && set.getTime() > was.getTime();
}

/**
 * An original with what stands in its copy in place of values that no later migration could convert: somebody repaired the copy, as
 * they were told to, and what the original still holds is worth nothing to any reader.
 */
function withRepairs(
  target: Binary,
  original: ReadonlyMap<Binary, Binary>,
  copy: ReadonlyMap<Binary, Binary>,
  later: readonly TransformChange[],
): ReadonlyMap<Binary, Binary> {
  const repaired = new Map(original);
  for (const change of later) {
    // Of several such values a change names one at a time.
    for (const _ of change.fields) {
      const changes = changesOf(change, target, valuesFor(change, repaired));
      if (changes === null || !isInconvertible(changes)) break;
      const value = copy.get(changes.invalid);
      if (value === undefined || value === repaired.get(changes.invalid)) break;
      repaired.set(changes.invalid, value);
    }
  }
  return repaired;
}

/** What a record's fields become when the later migrations have run over it. */
export function afterMigrations(
  target: Binary,
  fields: ReadonlyMap<Binary, Binary>,
  later: readonly TransformChange[],
): ReadonlyMap<Binary, Binary> {
  let changed: Map<Binary, Binary> | null = null;
  for (const change of later) {
    const changes = changesOf(change, target, valuesFor(change, changed ?? fields));
    if (changes === null || isInconvertible(changes)) continue;
    changed ??= new Map(fields);
    for (const [field, value] of byTurns(changes)) changed.set(field, value);
  }
  return changed ?? fields;
}

function areEqual(one: ReadonlyMap<Binary, Binary>, other: ReadonlyMap<Binary, Binary>): boolean {
  if (one.size !== other.size) return false;
  for (const [field, value] of one) if (other.get(field) !== value) return false;
  return true;
}

function valuesFor({ fields }: TransformChange, record: ReadonlyMap<Binary, Binary>): Values {
  return fields.map((field) => record.get(field) ?? null);
}

/** When a record was last changed, in Unix milliseconds: a time in whole seconds, as many programs write it, tells no more than these. */
export interface OwnTime {
  readonly from: number;
  readonly to: number;
}

/** The latest of a record's times; null where it has none. */
export function ownTime(
  { times = [] }: CopyChange,
  fields: ReadonlyMap<Binary, Binary> | null,
): OwnTime | null {
  const told = times.flatMap((field): OwnTime[] => {
    const text = fields?.get(field) ?? "";
    const from = parseTimestamp(text)?.getTime();
    if (from === undefined) return [];
    return [{ from, to: isNumericTimestamp(text) || text.includes(".") ? from : from + 999 }];
  });
  return told.length === 0 ? null : told.reduce(laterOf);
}

/** The later of two times, at the earliest and at the latest. */
export function laterOf(one: OwnTime, other: OwnTime): OwnTime {
  return { from: Math.max(one.from, other.from), to: Math.max(one.to, other.to) };
}

/** When a record was deleted, in Unix milliseconds; null for one that was not. */
export function deletionOf(
  { deletedAt }: CopyChange,
  fields: ReadonlyMap<Binary, Binary> | null,
): number | null {
  if (deletedAt === undefined) return null;
  return parseTimestamp(fields?.get(deletedAt) ?? "")?.getTime() ?? null;
}

/** True when two records end at the same time, and so do their fields. */
export function endsTogether(drifts: boolean, original: Content, copy: Content): boolean {
  const roughly = drifts || original.endsRoughly === true || copy.endsRoughly === true;
  const [one, other] = [original.endsAt, copy.endsAt];
  const apart = one === other ? 0 : one === null || other === null ? Infinity : Math.abs(one - other);
  if (apart > (roughly ? DRIFT_MS : 0)) return false;
  if (original.fieldEnds.size !== copy.fieldEnds.size) return false;
  return [...original.fieldEnds].every(([field, at]) => copy.fieldEnds.get(field) === at);
}
