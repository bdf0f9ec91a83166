/**
 * Judges each tenant by what was acknowledged, and by the order in which that was so: times are what the program goes by.
 *
 * @module
 */

import { lacksSome } from "../redis/application.ts";
import { sameFields, sameStored, showStored, type Stored } from "../redis/stored.ts";
import { entityOf, isLive } from "./acts.ts";
import { type Forms, type History, type Kind, KINDS, type Tenant } from "./tenants.ts";

/** What decides beside the records. */
export interface Case {
  /** The first slot that comes after 001 began. */
  readonly begun: number;
  /** Original names of the records of which the program said that a person is to choose, and who was to be kept. */
  readonly chosen: ReadonlySet<string>;
  readonly keep: "original" | "copy" | null;
}

/** Says what is wrong with a tenant after cleanup. */
export function judgeTenant(
  tenant: Tenant,
  forms: Readonly<Record<Kind, Forms>>,
  { begun, chosen, keep }: Case,
  nameOf: (kind: Kind) => string,
): string[] {
  // What a person chose, by their word alone is right: of a list, what of its records they chose.
  const some = KINDS.filter((kind) => chosen.has(nameOf(kind)));
  return KINDS.flatMap((kind) => {
    if (keep !== null && (some.includes(kind) || (kind === "list" && some.length > 0))) return [];
    const wrong = kind === "list"
      ? judgeList(tenant, forms, begun)
      : judgeRecord(kind, tenant.history[kind], forms[kind], begun);
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
