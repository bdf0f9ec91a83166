/**
 * What an application does to a tenant, in either form, and all sequences of that.
 *
 * @module
 */

import { converted, sameStored, type Stored } from "../redis/stored.ts";
import { type Forms, type Kind, namesOf, type Tenant } from "./tenants.ts";

const ACTIONS = ["create", "describe", "rotate", "disable", "enable", "remove", "close"] as const;
type Action = typeof ACTIONS[number];

/** Nothing happens in a slot. */
export const NOTHING = "nothing";
const KEPT_MS = 7 * 86_400_000;

/** Who acts in a slot, and by which clocks. */
export interface Slot {
  readonly who: readonly string[];
  readonly clocks: readonly string[];
}

/** What may happen in a slot: who, what, and when it takes place by its own time. */
export function actsOf({ who, clocks }: Slot): string[] {
  const written = who.flatMap((who) =>
    ACTIONS.flatMap((action) => clocks.map((clock) => `${who} ${action} ${clock}`))
  );
  // What is left of a deleted record is over at once, as it would be in a week.
  return [NOTHING, ...written, ...who.includes("new") ? ["new forget now"] : []];
}

/** All sequences of acts, but for those in which the old application would find nothing to do. */
export function* sequencesOf(slots: readonly Slot[]): Generator<readonly string[]> {
  const [first, ...rest] = slots;
  if (first === undefined) return yield [];
  for (const act of actsOf(first)) {
    for (const more of sequencesOf(rest)) {
      const sequence = [act, ...more];
      if (isPossible(sequence)) yield sequence;
    }
  }
}

function isPossible(sequence: readonly string[]): boolean {
  let [closed, removed, disabled] = [false, false, false];
  for (const [who, action] of sequence.map((act) => act.split(" ")) as [string, Action][]) {
    if (who !== "old") continue;
    if (action === "create" ? !closed && !removed : closed) return false;
    if (["rotate", "disable", "enable", "remove"].includes(action) && removed) return false;
    if ((action === "enable") !== disabled && ["enable", "disable"].includes(action)) return false;
    if (action === "create") closed = removed = disabled = false;
    if (action === "close") closed = removed = true;
    if (action === "remove") removed = true;
    if (action === "disable" || action === "enable") disabled = action === "disable";
  }
  return true;
}

/** What a tenant is in the beginning: long ago. */
export function beginning(): Readonly<Record<Kind, (id: string) => Stored>> {
  const times = { created_at: "2024-01-15T10:30:00Z", updated_at: "2024-01-15T10:30:00Z" };
  const made = (fields: Record<string, string>): Stored => ({ fields, expiresAt: -1 });
  return {
    tenant: (id) => made({ id, ...times }),
    destination: () => made({ id: "d1", type: "webhook", credentials: "first", ...times }),
    list: () => made({ d1: '{"disabled":false}' }),
  };
}

/**
 * Does something to a tenant.
 *
 * @param moment The time by the application's own clock, in Unix milliseconds.
 * @returns What it wrote, by key.
 */
export function act(
  tenant: Tenant,
  forms: Readonly<Record<Kind, Forms>>,
  doing: string,
  slot: number,
  moment: number,
): Map<string, Stored> {
  const writes = new Map<string, Stored>();
  const [who, action] = doing.split(" ") as ["old" | "new", Action | "forget"];
  const isNew = who === "new";
  const form = isNew ? "copy" : "original";
  const time = isNew ? String(moment) : iso(moment, tenant.seconds);
  const deleted = { fields: { deleted_at: time }, expiresAt: moment + KEPT_MS };
  const salt = `${slot} ${who}`;
  const put = (kind: Kind, stored: Stored) => {
    writes.set(namesOf(tenant.id, kind)[form], stored);
    const { old } = tenant.history[kind];
    const was = forms[kind].copy;
    if (!isNew) old.push({ stored, slot });
    else {
      const { now } = tenant.history[kind];
      const grownFrom = now !== null && now.stored !== null
        ? now.grownFrom
        : was === null
        ? now?.grownFrom ?? -1
        : old.findLastIndex((one) => sameStored(one.stored, was, entityOf(kind)));
      tenant.history[kind].now = { stored, slot, grownFrom };
    }
  };
  const change = (kind: Kind, fields: Readonly<Record<string, string>>, gone = "") => {
    const was = forms[kind][form];
    if (!isLive(was)) return false;
    const all: Record<string, string> = { ...was!.fields, ...fields };
    if (kind !== "list") all.updated_at = time;
    delete all[gone];
    put(kind, { fields: isNew ? converted(all, entityOf(kind)) : all, expiresAt: was!.expiresAt });
    return true;
  };
  const make = (kind: Kind) => {
    if (isLive(forms[kind][form])) return;
    const { fields } = beginning()[kind](tenant.id)!;
    const made: Record<string, string> = kind === "list" ? { d1: `{"made":"${salt}"}` } : {
      ...fields,
      created_at: time,
      updated_at: time,
      ...(kind === "tenant" ? {} : { credentials: salt }),
    };
    put(kind, { fields: isNew ? converted(made, entityOf(kind)) : made, expiresAt: -1 });
  };
  const remove = (kind: Kind) => {
    if (isLive(forms[kind][form])) put(kind, deleted);
  };
  const unlist = () => {
    if (forms.list[form] !== null) put("list", null);
  };
  switch (action) {
    case "create":
      if (!isLive(forms.destination[form])) {
        for (const kind of ["tenant", "destination", "list"] as const) make(kind);
      } else make("tenant");
      break;
    case "describe":
      change("tenant", { metadata: salt });
      break;
    case "rotate":
      change("destination", { credentials: salt });
      break;
    case "disable":
      if (change("destination", { disabled_at: iso(moment, tenant.seconds) })) put("list", listed(true));
      break;
    case "enable":
      if (forms.destination[form]?.fields.disabled_at === undefined) break;
      if (change("destination", {}, "disabled_at")) put("list", listed(false));
      break;
    case "close": // Its destinations go with it. What its release does not see it cannot delete.
      if (!isLive(forms.tenant[form])) break;
      remove("tenant");
      remove("destination");
      unlist();
      break;
    case "remove":
      if (!isLive(forms.destination[form])) break;
      remove("destination");
      unlist();
      break;
    case "forget":
      for (const kind of ["tenant", "destination"] as const) {
        if (forms[kind].copy !== null && !isLive(forms[kind].copy)) put(kind, null);
      }
  }
  return writes;
}

function listed(disabled: boolean): Stored {
  return { fields: { d1: `{"disabled":${disabled}}` }, expiresAt: -1 };
}

/** What it is called in the search index. */
export function entityOf(kind: Kind): string | null {
  return kind === "list" ? null : kind;
}

/** True for what is there and not deleted. */
export function isLive(stored: Stored): boolean {
  return stored !== null && !("deleted_at" in stored.fields);
}

function iso(moment: number, seconds: boolean): string {
  const text = new Date(moment).toISOString();
  return seconds ? text.replace(/\.\d+Z$/, "Z") : text;
}
