/**
 * What is recorded of one migration, as it is read: whatever stands there, by this tool, another one or a stranger.
 *
 * @module
 */

import { foreignText } from "../foreign_text.ts";
import type { MigrationStatus } from "../migration.ts";
import { parseTimestamp } from "../timestamp.ts";

/** What the store says of one migration. */
export interface StoredState {
  readonly status: Extract<MigrationStatus, "pending" | "applied" | "not_applicable" | "running" | "failed">;
  readonly reason: string | null;
  /** When it was applied, or found not applicable. */
  readonly at: Date | null;
  /** True when a key of this deployment under its current name said so. */
  readonly own: boolean;
  /** When a run first began for this deployment: by the server's clock one of this tool; null where none was recorded. */
  readonly beganAt: Date | null;
  /** By the server's clock, when the last run of this tool began that could do everything; null where none was. */
  readonly doneSince: Date | null;
  /** The older key that said so, or null. */
  readonly inheritedFrom: string | null;
  /** Records that cannot be converted and were accepted so. */
  readonly accepted: number;
  /** How many keys each process had evicted when a run began that has not told yet what it evicted since. */
  readonly evicted: EvictedKeys;
}

/** Keys that each process of a server has evicted since it started. */
export type EvictedKeys = ReadonlyMap<string, number>;

/** What is not recorded anywhere. */
export const UNKNOWN: StoredState = {
  status: "pending",
  reason: null,
  at: null,
  own: false,
  beganAt: null,
  doneSince: null,
  inheritedFrom: null,
  accepted: 0,
  evicted: new Map(),
};

/** Older tools tell only when a run of theirs ended. Their lock lasted an hour: it began no longer before that. */
const LONGEST_RUN_MS = 3_600_000;

/** When the first run of a migration began; null for one that never ran, or when nothing tells. */
export function firstBegin({ beganAt, status, at }: StoredState): Date | null {
  if (beganAt !== null || status !== "applied") return beganAt;
  return new Date(at === null ? 0 : at.getTime() - LONGEST_RUN_MS);
}

/** The last moment there is. */
const NOBODY_KNOWS = new Date(8.64e15);

/** When a migration was applied by the word of others: in whole seconds, at the end of their run. Undefined where it was not. */
export function toldAt({ status, doneSince, at }: StoredState): Date | undefined {
  if (status !== "applied" || doneSince !== null) return undefined;
  return at === null ? NOBODY_KNOWS : new Date(at.getTime() + 1000);
}

/** What another installation's word is good for: that a migration is done. Its failures and its runs are its own. */
export function done(state: StoredState | null): StoredState | null {
  return state?.status === "applied" || state?.status === "not_applicable" ? state : null;
}

/** What the key of this deployment says, with what this tool adds. */
export function ownState(fields: ReadonlyMap<string, string>): StoredState | null {
  const state = fromHash(fields) ?? unknownWord(fields);
  const timeOf = (name: string) => parseTimestamp(fields.get(name) ?? "");
  const counts = [...parseObject(fields.get("evicted"))].map(([process, count]) =>
    [process, Number(count)] as const
  );
  return state && {
    ...{ ...state, own: true, evicted: new Map(counts) },
    ...{ beganAt: timeOf("first_began_at"), doneSince: timeOf("done_since") },
  };
}

/** A later version may know more words: what it has recorded here holds more than what others did before. */
function unknownWord(fields: ReadonlyMap<string, string>): StoredState | null {
  const word = told(fields, "status");
  return word === null
    ? null
    : { ...UNKNOWN, reason: `It is recorded as "${word}", which this version does not know` };
}

/** What a hash tells, whoever's it is. @returns Null for one that tells no status that is known. */
export function fromHash(fields: ReadonlyMap<string, string>): StoredState | null {
  const status = fields.get("status");
  switch (status) {
    case "applied":
      // This tool writes a whole hash, an older one these two fields over what is there: it calls applied what it passes over.
      if (fields.has("failed_at")) {
        const before = `Another tool called it applied after this one had said: ${failure(fields)}`;
        return { ...UNKNOWN, status: "failed", reason: before };
      }
      return {
        ...UNKNOWN,
        status,
        at: timeTold(fields, "applied_at"),
        accepted: Number(fields.get("skipped_invalid") ?? 0) || 0,
      };
    case "not_applicable":
      return {
        ...UNKNOWN,
        status,
        at: timeTold(fields, "checked_at"),
        reason: told(fields, "reason"),
      };
    case "pending":
      return { ...UNKNOWN, status, reason: told(fields, "reason") };
    case "failed":
      return { ...UNKNOWN, status, reason: failure(fields) };
    case "running":
      return {
        ...UNKNOWN,
        status,
        reason: `A run that began at ${told(fields, "started_at")} has not ended`,
      };
    default:
      return null;
  }
}

/**
 * What the first tool tells: how far it is, when it began and ended, and how many records it could not do, which it called applied
 * all the same.
 *
 * @param key Where it stands.
 * @returns Null for one that was not applied.
 */
export function fromPhase(
  fields: ReadonlyMap<string, string>,
  donePhases: readonly string[],
  key: string,
): StoredState | null {
  if (!donePhases.includes(fields.get("phase") ?? "")) return null;
  const beganAt = timeTold(fields, "started_at");
  const failed = Number(parseObject(fields.get("progress")).get("failed_items"));
  if (failed > 0) return { ...UNKNOWN, status: "failed", reason: leftUndone(key, failed), beganAt };
  const at = timeTold(fields, "applied_at") ?? timeTold(fields, "completed_at") ?? beganAt;
  return { ...UNKNOWN, status: "applied", at, beganAt };
}

/**
 * What the record of a run tells of a migration that the same tool called applied all the same.
 *
 * @param key Where it stands.
 */
export function afterRun(state: StoredState, run: ReadonlyMap<string, string>, key: string): StoredState {
  const failed = Number(run.get("failed"));
  return failed > 0 ? { ...state, status: "failed", reason: leftUndone(key, failed), at: null } : state;
}

function leftUndone(key: string, failed: number): string {
  return `${key} says that ${failed} of its records could not be done`;
}

/** When an older tool called a migration applied, in Unix seconds as it wrote them; null where another one did, or none. */
export function toldInSeconds(fields: ReadonlyMap<string, string>): number | null {
  const at = fields.get("applied_at") ?? "";
  return fields.get("status") === "applied" && SECONDS.test(at) ? Number(at) : null;
}

/** So few digits are no milliseconds. */
const SECONDS = /^\d{1,11}$/;

/** A time as tools wrote it: RFC 3339, and for a while Unix seconds. */
function timeTold(fields: ReadonlyMap<string, string>, name: string): Date | null {
  const text = fields.get(name) ?? "";
  return parseTimestamp(SECONDS.test(text) ? `${text}000` : text);
}

/** What another tool, or another version, wrote for people. */
function told(fields: ReadonlyMap<string, string>, name: string): string | null {
  const text = fields.get(name);
  return text === undefined ? null : foreignText(text);
}

/** Far more than a run names. */
const MOST_ISSUES = 20;

function failure(fields: ReadonlyMap<string, string>): string {
  const issues = parseJson(fields.get("issues"));
  const named = Array.isArray(issues)
    ? issues.slice(0, MOST_ISSUES).map((issue) => foreignText(String(issue))).join("; ")
    : "";
  const failed = told(fields, "failed") ?? "some";
  if (failed === "0" && named !== "") return named;
  return `Records that could not be done: ${failed}${named === "" ? "" : `: ${named}`}`;
}

/** The fields of an object in JSON, as text; none for anything else. */
export function parseObject(text: string | undefined): Map<string, string> {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) return new Map();
  return new Map(
    Object.entries(value).map((
      [name, field],
    ) => [name, typeof field === "string" ? field : JSON.stringify(field)]),
  );
}

/** What somebody else wrote may be anything: what is no JSON tells nothing. */
function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
