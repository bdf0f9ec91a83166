/**
 * Says whether anything was lost. Every acknowledged write must be readable in the form that the application now uses, or be
 * named by the program as kept or failed and still be there; nothing deleted is back; `applied` means converted; and what is
 * foreign is as it was.
 *
 * What nobody can know is left out: an application of the old form that changes a record without moving any of its times.
 * The actors always move them.
 *
 * @module
 */

import { display } from "../../../engine/redis/binary.ts";
import {
  entityOf,
  fieldsOf,
  isTombstone,
  type Ledger,
  type LedgerRecord,
  type NewVersion,
  type OldVersion,
} from "./ledger.ts";
import type { Find } from "../stage.ts";
import { lacksSome } from "./application.ts";
import type { RedisWorld } from "./servers.ts";
import {
  converted,
  digestAnywhere,
  isUnreadable,
  readStored,
  sameEnd,
  sameFields,
  sameStored,
  showStored,
  type Stored,
  timeOf,
  toMilliseconds,
} from "./stored.ts";

/** What the program said in the end. */
export interface Verdicts {
  /** Every issue of the last answers. */
  readonly issues: readonly string[];
  /** Those of them that say that something is wrong, and not only that an original is kept. */
  readonly alarms: readonly string[];
  /** How many issues were counted without a name. */
  readonly unnamed: number;
  /** Status of each migration of a deployment, by its short name. */
  status(deployment: string, migration: string): string;
  /** When the run began that a migration of a deployment was last applied by; 0 when none was. */
  appliedSince(deployment: string, migration: string): number;
  /** True when a run by which a migration of a deployment was applied was at work at a time. */
  appliedDuring(deployment: string, migration: string, at: number): boolean;
}

/** Compares everything that was acknowledged with what is there. */
export async function judge(world: RedisWorld, ledger: Ledger, verdicts: Verdicts): Promise<Find[]> {
  const finds: Find[] = [];
  const now = new Map<string, Stored>();
  const read = async (key: string) => {
    if (!now.has(key)) now.set(key, await readStored(world.client, key));
    return now.get(key)!;
  };
  for (const record of ledger.records.values()) {
    const complain = (what: string) => finds.push({ key: record.target, what });
    if (record.kind === "other") {
      await judgeOther(world, record, verdicts, complain);
      continue;
    }
    if (ledger.isSettled(record)) continue;
    const original = record.source === null ? null : await read(record.source);
    const copy = await read(record.target);
    const judgement = { record, original, copy, ledger, verdicts, complain };
    judgeOriginal(judgement);
    if (record.kind === "list") judgeList(judgement);
    else judgeRecord(judgement);
    judgeConversion(judgement);
  }
  for (const [key, digest] of ledger.foreign) {
    const found = await digestAnywhere(world.masters(), key);
    if (found !== digest) finds.push({ key, what: `it is foreign, and was changed` });
  }
  return finds;
}

interface Judgement {
  readonly record: LedgerRecord;
  readonly original: Stored;
  readonly copy: Stored;
  readonly ledger: Ledger;
  readonly verdicts: Verdicts;
  complain(what: string): void;
}

/** The program never changes an original; cleanup deletes it. */
function judgeOriginal({ record, original, verdicts, complain }: Judgement): void {
  if (record.source === null) return;
  const left = record.old.at(-1)?.stored ?? null;
  if (original === null) return;
  if (left === null) return complain(`its original is back: ${showStored(original)}`);
  if (verdicts.issues.some((issue) => isTakenForOther(issue, record.source))) {
    complain("its original is taken for a record in the current form");
  }
  if (!sameEnd(original.expiresAt, left.expiresAt) || !sameFields(original.fields, left.fields)) {
    complain(`its original was changed to ${showStored(original)} from ${showStored(left)}`);
  }
}

function judgeRecord(judgement: Judgement): void {
  const { record, original, copy, complain, verdicts } = judgement;
  const entity = entityOf(record.kind);
  const last = record.old.at(-1);
  if (record.now !== undefined) {
    const { stored } = record.now;
    if (!sameStored(copy, stored, entity) && !isCopiedSince(judgement, record.now)) {
      complain(
        stored === null
          ? `it was deleted and is back: ${showStored(copy)}`
          : `the application left ${showStored(stored)}, now it is ${showStored(copy)}`,
      );
    }
  } else if (copy !== null) {
    if (!record.old.some(({ stored }) => sameStored(stored, copy, entity))) {
      complain(`it holds what nobody wrote: ${showStored(copy)}`);
    } else if (last?.stored === null && last.copy === null) {
      complain(`it was deleted before it was copied, and is back: ${showStored(copy)}`);
    }
  }
  if (last === undefined || last.stored === null) return;
  const settled = sameStored(copy, last.stored, entity) || supersedes(judgement, last);
  const named = isNamed(record, verdicts);
  if (!settled) {
    const mayBe = named || verdicts.unnamed > 0;
    complainUnlessNamed(judgement, last.at, original !== null, mayBe, showStored(last.stored));
  } else if (named && !record.mayDiffer && original !== null && !isUnreadable(copy)) {
    complain("it is named, and nothing is wrong with it");
  }
}

/**
 * True for what an old application has written since 001 began, where the new one had deleted what it knew of, and nothing is left of
 * that: `--rerun` is there to copy it. Of what was written during a run nothing tells whether that had copied it before.
 */
function isCopiedSince({ record, copy, ledger, verdicts }: Judgement, now: NewVersion): boolean {
  const { kind, old } = record;
  return mayBeCopiedSince(record, now, ledger, verdicts) &&
    sameStored(copy, old.at(-1)!.stored, entityOf(kind));
}

function mayBeCopiedSince(
  { old, deployment }: LedgerRecord,
  now: NewVersion,
  ledger: Ledger,
  verdicts: Verdicts,
): boolean {
  const last = old.at(-1);
  if (now.stored !== null || last === undefined || last.at < ledger.begunBy) return false;
  return now.grownFrom < old.length - 1 || verdicts.appliedDuring(deployment, "001_hash_tags", last.at);
}

/** True when the new application's record holds what the old one wrote, or rightly stands for something later. */
function supersedes({ record, ledger }: Judgement, last: OldVersion): boolean {
  const { now, old } = record;
  if (now === undefined) return false;
  if (now.grownFrom === old.length - 1) return true;
  if (last.at >= ledger.begunBy) return false;
  if (now.stored === null) return true;
  // Deleted, and made anew: there is nothing left to lose. What was changed alone was never told of the deletion.
  if (isTombstone(last.stored) && !isTombstone(now.stored)) {
    const { created_at = "" } = now.stored.fields;
    return (toMilliseconds(created_at) ?? 0) > timeOf(fieldsOf(last.stored));
  }
  if (timeOf(now.stored.fields) <= timeOf(fieldsOf(last.stored))) return false;
  return isTombstone(now.stored) || !lacksSome(now.stored, last.stored);
}

function complainUnlessNamed(
  { record, verdicts, complain }: Judgement,
  at: number,
  kept: boolean,
  named: boolean,
  content: string,
): void {
  if (!kept) return complain(`LOST: its original was deleted, and nothing holds ${content}`);
  if (!named) return complain(`the old application's ${content} is neither migrated nor named`);
  if (verdicts.status(record.deployment, "001_hash_tags") !== "applied") return;
  if (at < verdicts.appliedSince(record.deployment, "001_hash_tags")) {
    complain(`001 is applied, though its run left this behind: ${content}`);
  }
}

/** A list has no time of its own: each of its entries is judged by itself. */
function judgeList(judgement: Judgement): void {
  const { record, original, copy, ledger, verdicts, complain } = judgement;
  const { deployment, tenant } = record;
  const last = record.old.at(-1);
  const left = fieldsOf(last?.stored ?? null);
  const listed = fieldsOf(copy);
  const owner = ledger.record(deployment, "tenant", tenant);
  const names = new Set([
    ...record.old.flatMap(({ stored }) => Object.keys(fieldsOf(stored))),
    ...Object.keys(listed),
  ]);
  for (const name of record.listed.keys()) names.add(name);
  let differs = false;
  for (const name of names) {
    const found = listed[name] ?? null;
    const entry = ledger.record(deployment, "destination", tenant, name);
    const named = [record, entry, owner].some((one) => mayBeNamed(one, verdicts));
    const wanted = record.listed.get(name);
    if (wanted !== undefined) {
      if (found === wanted) continue;
      // Copied by a run that was killed, and changed under its old name since: nothing tells any more that it is only a copy.
      if (wanted === null && ledger.mayDiffer(record) && isNamed(record, verdicts)) continue;
      // Or gone under that since: then what was deleted is taken off, and what else is on the list of a deleted tenant, nobody reads.
      const left = wanted === null && last?.stored === null && last.at >= ledger.copyingFrom;
      if (left && isDeleted(owner) && !isDeleted(entry)) continue;
      // Listed by an old application since, with a destination that may be copied since.
      const isListedSince = wanted === null && found === (fieldsOf(last?.stored ?? null)[name] ?? null) &&
        entry.now !== undefined && mayBeCopiedSince(entry, entry.now, ledger, verdicts);
      // Nor is anything left of the tenant: its list is what the old application has made of it since.
      const isOwnersSince = wanted === null && owner.now?.stored === null &&
        found === (fieldsOf(last?.stored ?? null)[name] ?? null) && last!.at >= ledger.begunBy;
      if (isListedSince || isOwnersSince) continue;
      // Put on the list of a deleted tenant as its original has it: nothing tells that from a copy, which goes with the tenant.
      const isAsCopied = record.old.some(({ stored }) => fieldsOf(stored)[name] === wanted);
      if (found === null && isDeleted(owner) && isAsCopied) continue;
      complain(
        wanted === null
          ? `${name} was taken off the list and is back on it`
          : `${name} is listed as ${found}, the application left ${wanted}`,
      );
      continue;
    }
    const old = left[name] ?? null;
    if (found === old) continue;
    if (found !== null && !record.old.some(({ stored }) => fieldsOf(stored)[name] === found)) {
      complain(`${name} is listed as ${found}, which nobody wrote`);
      continue;
    }
    const gone = (one: LedgerRecord) => one.now?.stored === null || isDeleted(one);
    if (found === null && (gone(entry) || gone(owner))) continue;
    // What is left of the tenant says that it is deleted: its list is read by nobody.
    if (
      old === null && [owner, entry].some((one) => isTombstone(one.old.at(-1)?.stored ?? null)) &&
      last?.stored === null
    ) {
      continue;
    }
    // Removed without a tombstone, which no release does: a list cannot tell that from a destination made since.
    if (old === null && entry.old.at(-1)?.stored === null) continue;
    if (old === null && fieldsOf(last!.copy)[name] === undefined) {
      complain(`${name} was taken off the list before that was copied, and is back on it`);
    } else if (old === null) {
      differs = true;
      if (!named) complain(`${name} is still on the list, and nothing is named`);
    } else {
      differs = true;
      complainUnlessNamed(judgement, last!.at, original !== null, named, `${name} listed as ${old}`);
    }
  }
  if (isNamed(record, verdicts) && !differs && !ledger.mayDiffer(record)) {
    complain("it is named, and nothing is wrong with it");
  }
}

/** True for what the new application has deleted, and whose tombstone is there. */
function isDeleted({ now }: LedgerRecord): boolean {
  return isTombstone(now?.stored ?? null);
}

async function judgeOther(
  world: RedisWorld,
  record: LedgerRecord,
  verdicts: Verdicts,
  complain: (what: string) => void,
): Promise<void> {
  const original = await digestAnywhere(world.masters(), record.source!);
  const copy = await digestAnywhere(world.masters(), record.target);
  if (original !== null && original !== record.digest) complain("its original was changed");
  if (copy === record.digest) {
    if (isNamed(record, verdicts)) complain("it is named, and nothing is wrong with it");
    return;
  }
  if (copy !== null) complain("its copy is another record");
  else if (original === null) complain("LOST: its original was deleted, and there is no copy");
  else if (!mayBeNamed(record, verdicts)) complain("it is neither copied nor named");
  else if (verdicts.status("", "001_hash_tags") === "applied") {
    complain("001 is applied, and it is not copied");
  }
}

/** `applied` means that every record was converted, but for those that an old application wrote since. */
function judgeConversion({ record, copy, verdicts, complain }: Judgement): void {
  const entity = entityOf(record.kind);
  if (copy === null || entity === null) return;
  // What a current application leaves of a deleted record says no more than that.
  if (record.now !== undefined && isTombstone(copy) && copy.fields.id === undefined) return;
  const { deployment } = record;
  if (isUnreadable(copy)) {
    if (!mayBeNamed(record, verdicts)) complain("a time of it cannot be converted, and it is not named");
    const since = verdicts.appliedSince(deployment, "002_timestamps");
    if (verdicts.status(deployment, "002_timestamps") === "applied" && record.oldFormAt < since) {
      complain("002_timestamps is applied, and a time of it cannot be converted");
    }
  }
  for (
    const [migration, fields] of [["002_timestamps", ["created_at", "updated_at"]], ["003_entity", [
      "entity",
    ]]] as const
  ) {
    if (verdicts.status(deployment, migration) !== "applied") continue;
    if (record.oldFormAt >= verdicts.appliedSince(deployment, migration) && record.oldFormAt > 0) continue;
    const wanted = converted(copy.fields, entity);
    const left = fields.filter((name) => copy.fields[name] !== wanted[name]);
    if (left.length > 0) complain(`${migration} is applied, and ${left.join(", ")} is not converted`);
  }
}

/** True when it is named, or may be one of those beyond the first ten: which these are, nobody is told. */
function mayBeNamed(record: LedgerRecord, verdicts: Verdicts): boolean {
  return verdicts.unnamed > 0 || isNamedIn(record, verdicts.issues);
}

function isNamed(record: LedgerRecord, { alarms }: Verdicts): boolean {
  return isNamedIn(record, alarms);
}

function isNamedIn({ source, target }: LedgerRecord, issues: readonly string[]): boolean {
  return [source, target].some((key) =>
    key !== null && issues.some((issue) => mentions(issue, display(key)) && !isTakenForOther(issue, source))
  );
}

/** True for what names an original as a record that is to be converted: which it never is. */
function isTakenForOther(issue: string, source: string | null): boolean {
  return source !== null && issue === `${display(source)}: it is not converted`;
}

/** True when a text names a key, and not only one that begins like it. */
function mentions(text: string, key: string): boolean {
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + 1)) {
    const [before, after] = [text[at - 1] ?? " ", text.slice(at + key.length, at + key.length + 2)];
    if (/[\s"'(]/.test(before) && (after === "" || /^([\s"'),;]|:\s)/.test(after))) return true;
  }
  return false;
}
