/**
 * Judges each tenant by what was acknowledged, and by the order in which that was so: times are what the program goes by.
 *
 * @module
 */

import { lacksSome } from "../redis/application.ts";
import { converted, sameFields, sameStored, showStored, type Stored } from "../redis/stored.ts";
import { entityOf, isLive } from "./acts.ts";
import { type Forms, type History, type Kind, KINDS, type Tenant } from "./tenants.ts";

/** What decides beside the records. */
export interface Case {
  /** The first slot that comes after 001 began. */
  readonly begun: number;
  /** The books tell when that was. */
  readonly isDated: boolean;
  /** Original names of the records of which the program said that a person is to choose, and who was to be kept. */
  readonly chosen: ReadonlySet<string>;
  readonly keep: "original" | "copy" | null;
  /** Names of the migrations that are said to be applied. */
  readonly applied: readonly string[];
}

/** Says what is wrong with a tenant after cleanup. */
export function judgeTenant(
  tenant: Tenant,
  forms: Readonly<Record<Kind, Forms>>,
  given: Case,
  nameOf: (kind: Kind) => string,
): string[] {
  const { begun, chosen, keep } = given;
  // What a person chose, by their word alone is right: of a list, what of its records they chose.
  const some = KINDS.filter((kind) => chosen.has(nameOf(kind)));
  return KINDS.flatMap((kind) => {
    if (keep !== null && (some.includes(kind) || (kind === "list" && some.length > 0))) return [];
    const wrong = kind === "list"
      ? judgeList(tenant, forms, begun)
      : judgeRecord(kind, tenant.history[kind], forms[kind], begun);
    wrong.push(...judgeApplied(kind, tenant.history[kind], forms[kind], given));
    return wrong.map((what) => `${kind}: ${what}`);
  });
}

function judgeRecord(kind: Kind, { old, now }: History, { original, copy }: Forms, begun: number): string[] {
  const entity = entityOf(kind);
  const last = old.at(-1)!;
  const finds: string[] = [];
  if (original !== null && (last.stored === null || !sameFields(original.fields, last.stored.fields))) {
    finds.push(`its original was changed to ${showStored(original)}`);
  }
  const isLate = now?.stored === null && last.slot >= begun && sameStored(copy, last.stored, entity);
  if (now !== null && !sameStored(copy, now.stored, entity) && !isLate) {
    finds.push(`the new application left ${showStored(now.stored)}, now it is ${showStored(copy)}`);
  }
  if (now === null && copy !== null && !old.some(({ stored }) => sameStored(stored, copy, entity))) {
    finds.push(`it holds what nobody wrote: ${showStored(copy)}`);
  }
  if (original !== null || sameStored(copy, last.stored, entity) || last.stored === null) return finds;
  // Its original is gone, and its copy is another: the new application must have known it, or rightly stand for something later.
  if (now?.grownFrom === old.length - 1) return finds;
  const isLater = now !== null && last.slot < begun &&
    (!isLive(now.stored) || !lacksSome(now.stored, last.stored));
  if (!isLater) finds.push(`LOST: ${showStored(last.stored)} is gone, there is ${showStored(copy)}`);
  return finds;
}

/** Says what a run has left without a copy that ended with 0: what nobody but the old application has ever written to. */
export function missedBy(
  tenants: readonly Tenant[],
  forms: readonly Readonly<Record<Kind, Forms>>[],
): string[] {
  return tenants.flatMap(({ id, sequence, unreached, history }, t) =>
    KINDS.filter((kind) =>
      kind !== "list" && history[kind].now === null && forms[t]![kind].original !== null &&
      forms[t]![kind].copy === null
    ).map((kind) => `${id}: ${kind} was not copied, in ${sequence.join(", ")}, unreached ${unreached}`)
  );
}

/** `applied` means that every record was copied and converted, and cleaned up where nobody has written to the original since. */
function judgeApplied(
  kind: Kind,
  { old, now }: History,
  { original, copy }: Forms,
  { isDated, applied }: Case,
): string[] {
  const last = old.at(-1)!;
  const finds: string[] = [];
  const isCopied = applied.includes("001_hash_tags");
  const entity = entityOf(kind);
  if (copy === null || entity === null) return finds;
  // What a current application leaves of a deleted record says no more than that.
  const isLeft = !isLive(copy) && copy.fields.id === undefined && now !== null;
  const wanted = converted(copy.fields, entity);
  const unconverted = isLeft ? [] : Object.keys(wanted).filter((name) => copy.fields[name] !== wanted[name]);
  if (applied.length === 3 && unconverted.length > 0) {
    finds.push(`all is applied, and ${unconverted.join(", ")} is not converted`);
  }
  // Of what was written since the beginning the program may not know whether that was before a run.
  const isProven = isDated && last.slot < 0 && (now === null || now.grownFrom === old.length - 1) &&
    // Made anew with less than it had: that is another record.
    (now === null || !isLive(now.stored) || !lacksSome(now.stored, last.stored));
  if (isCopied && isProven && original !== null) {
    finds.push("its original is kept, and nothing is wrong with it");
  }
  return finds;
}

function judgeList(tenant: Tenant, forms: Readonly<Record<Kind, Forms>>, begun: number): string[] {
  const { list, destination, tenant: owner } = tenant.history;
  const last = list.old.at(-1)!;
  const entryOf = (stored: Stored) => stored?.fields.d1 ?? null;
  const [found, left] = [entryOf(forms.list.copy), entryOf(last.stored)];
  const { now } = list;
  // The list of a deleted tenant is read by nobody; of one that was made anew nothing tells that its list was deleted in between.
  const isReplaced = owner.now !== null &&
    (!isLive(owner.now.stored) || owner.now.slot > (now?.slot ?? Infinity));
  if (isReplaced && (now?.stored === null || !isLive(owner.now!.stored))) return [];
  if (now !== null && found !== entryOf(now.stored)) {
    const isListedSince = found === left && last.slot >= begun && destination.now?.stored === null;
    if (!isListedSince) return [`the new application listed ${entryOf(now.stored)}, now it is ${found}`];
  }
  if (now !== null || found === left || forms.list.original !== null || left === null) return [];
  const isGone = [destination, owner].some((one) => one.now !== null && !isLive(one.now.stored));
  return isGone && found === null ? [] : [`LOST: ${left} was listed, now it is ${found}`];
}
