/**
 * Which keys are of the form before hash tags, and where they go.
 *
 * IDs may hold anything, so that a key can often be read in several ways. What decides, in this order:
 * 1. The record itself: the `id` of a tenant is the rest of its key, that of a destination the end of its key.
 * 2. Whether the tenants exist that a key could belong to, the longest first: they have records of their own.
 * 3. The form: a summary or a destination where it looks like one, else a key of the shortest tenant.
 *
 * Keys that begin with a brace are current, unless the old record of a tenant with a braced ID says otherwise.
 *
 * @module
 */

import type { Binary } from "../../engine/redis/binary.ts";
import type { Values } from "../../engine/redis/bulk_reads.ts";
import type { Destination } from "../../engine/redis/copy/change.ts";
import type { CopyRules } from "../../engine/redis/copy/copy_keys.ts";
import type { Facts } from "../../engine/redis/facts.ts";
import { isBracedTenant, isTombstone, TIMES } from "./current_records.ts";
import { braces, colons, hasTooMany, occurrences, someOf } from "./key_readings.ts";
import { summaries } from "./summaries.ts";

const TENANT = "tenant:";
const SUMMARY = "destination_summary:";
const DESTINATION = ":destination:";
const DESTINATIONS = ":destinations";
/** A summary whose tenant's ID holds neither colons nor braces: no other key looks like it. */
const PLAIN_SUMMARY = /^[^:{}]+:destinations$/;

type Known = (key: Binary) => Facts;

/** How 001 reads keys. The fields are `id` and `deleted_at`. */
export const legacyKeys: CopyRules = {
  pattern: "[td]e[ns]*:*", // Both `tenant:` and `destination_summary:` in one walk.
  amongCopies: "tenant:{*",
  fields: ["id", "deleted_at"],
  decide,
  likely: (key) => {
    const [, tenant, suffix = "tenant"] = /^tenant:([^:{}]+)(?::([^]+))?$/.exec(key) ?? [];
    return tenant === undefined ? null : current(tenant, suffix);
  },
  questions,
  judge,
  groupOf,
  keysOf: (tenant) => ({
    head: TENANT + tenant,
    list: TENANT + tenant + DESTINATIONS,
    recordOf: (id) => TENANT + tenant + DESTINATION + id,
  }),
  times: TIMES,
  oneToOne: true, // But for keys that can be read in several ways: these are ambiguous, and never deleted.
  deletedAt: "deleted_at",
  // By enabling a destination, and by making anew what was deleted: what was only changed was never told of the deletion.
  takenAway: new Map([["disabled_at", "updated_at"], ["deleted_at", "created_at"]]),
  secrets: ["credentials", "config", "delivery_metadata"],
  lists: summaries,
  lookalikes: { pattern: "tenant:{*}", isOne: isBracedTenant },
};

/** What the record itself decides. @param values Null for a record that is no hash. */
function decide(key: Binary, values: Values | null, lookalikes: boolean): Destination | null | "ask" {
  if (key.startsWith(SUMMARY)) return "ask";
  if (!key.startsWith(TENANT)) return null;
  const rest = key.slice(TENANT.length);
  const [id = null, deletedAt = null] = values ?? [];
  if (!rest.includes(":") && id !== rest && deletedAt === null) return null; // Neither a tenant nor what is left of one.
  if (id !== null && id === rest) return { target: current(rest, "tenant"), kind: "tenants" };
  if (isCurrent(rest, values)) {
    // Only destinations and keys without an ID can be those of a braced tenant.
    return lookalikes && !rest.endsWith(`${id}}:tenant`) ? "ask" : null;
  }
  if (values !== null && id === null && deletedAt === null && PLAIN_SUMMARY.test(rest)) {
    const tenant = rest.slice(0, -DESTINATIONS.length);
    return { target: current(tenant, "destinations"), kind: "summaries" };
  }
  if (id !== null && rest.endsWith(DESTINATION + id)) {
    const tenant = rest.slice(0, -(DESTINATION + id).length);
    if (!isBraced(tenant)) return { target: current(tenant, `destination:${id}`), kind: "destinations" };
  }
  return "ask";
}

/** True for a key of current form whose record does not say otherwise. */
function isCurrent(rest: Binary, values: Values | null): boolean {
  if (!rest.startsWith("{") || values === null) return false;
  const [id, deletedAt] = values as [Binary | null, Binary | null];
  if (id !== null) return rest === `{${id}}:tenant` || rest.endsWith(`}${DESTINATION}${id}`);
  const suffix = rest.slice(rest.indexOf("}:") + 2);
  return suffix === "destinations" && deletedAt === null && rest.indexOf("}:") === rest.lastIndexOf("}:");
}

/**
 * The records of every tenant that a key could belong to, old and current, and what tells copies from originals: of keys with very
 * many colons, of those with the shortest and the longest IDs alone.
 */
function questions(key: Binary): Binary[] {
  if (key.startsWith(SUMMARY)) {
    const rest = key.slice(SUMMARY.length);
    return colons(rest).flatMap((at) => {
      const tenant = rest.slice(0, at);
      return [...records(tenant), `${TENANT}${tenant}${DESTINATION}${rest.slice(at + 1)}`];
    });
  }
  const rest = key.slice(TENANT.length);
  const asked = colons(rest).flatMap((at) => records(rest.slice(0, at)));
  for (const { inner, suffix } of braces(rest)) {
    asked.push(...records(`{${inner}}`), ...records(inner), `${TENANT}${inner}:${suffix}`);
  }
  return asked;
}

/** What is known of others decides. Where not all that could decide was asked about, nothing is deleted for the copy. */
function judge(key: Binary, facts: Facts, known: Known): Destination | null {
  const found = judgeByOthers(key, facts, known);
  return found !== null && hasTooMany(occurrences(key, ":")) ? { ...found, ambiguous: true } : found;
}

function judgeByOthers(key: Binary, facts: Facts, known: Known): Destination | null {
  if (key.startsWith(SUMMARY)) return judgeSummary(key.slice(SUMMARY.length), known);
  const rest = key.slice(TENANT.length);
  const readings = braces(rest);
  const [id = null] = facts.values;
  if (readings.length > 0 && isLeftOfTenant(rest, facts)) {
    return readings.some(({ inner }) => exists(inner, known)) ? null : byForm(rest, facts, null);
  }
  const longest = longestTenant(rest, facts, known);
  for (const { inner, suffix } of readings) {
    // A destination's own ID tells which reading is meant.
    if (id !== null && suffix.startsWith("destination:") && suffix !== `destination:${id}`) continue;
    const old = `${TENANT}{${inner}}`;
    if (!isBracedTenant(old, known(old))) continue;
    // The longest tenant that exists comes first.
    const isLonger = longest !== null && longest.length > `{${inner}}`.length;
    if (isLonger && suffix !== `destination:${id}`) continue;
    if (isOriginal(inner, suffix, known)) return null; // It is the copy of that one.
    return {
      target: current(`{${inner}}`, suffix),
      kind: kindOf(suffix, facts),
      ambiguous: exists(inner, known),
    };
  }
  if (readings.length > 0) {
    if (longest === null) return null;
    const others = readings.filter(({ inner }) => exists(inner, known));
    if (others.length > 0) {
      // Of tenant "x", unless tenant "{x}:y" is there as well: then it can belong to both.
      const isCurrent = others.some(({ inner, suffix }) =>
        longest.length <= `{${inner}}`.length || isOriginal(inner, suffix, known)
      );
      return isCurrent ? null : { ...byForm(rest, facts, longest)!, ambiguous: true };
    }
    // By its own ID it is a destination: of the tenant in the braces, or of the one that they belong to.
    const named = readings.filter(({ suffix }) => id !== null && suffix === `destination:${id}`);
    if (named.length > 0 && !named.some(({ inner }) => longest === `{${inner}}`)) return null;
  }
  return byForm(rest, facts, longest);
}

/** True for what is left of a deleted record that is no destination, and by its key no current tenant. */
function isLeftOfTenant(rest: Binary, facts: Facts): boolean {
  return isTombstone(facts) && !rest.endsWith("}:tenant") && !rest.includes(DESTINATION);
}

/** True for an old record of a tenant: neither another tenant's own, nor a current one of the tenant in the braces of its ID. */
function isOriginal(tenant: Binary, suffix: Binary, known: Known): boolean {
  const { type, values: [id] } = known(`${TENANT}${tenant}:${suffix}`);
  if (type === "none" || id === `${tenant}:${suffix}`) return false;
  return !isBraced(tenant) || isBracedTenant(TENANT + tenant, known(TENANT + tenant));
}

function judgeSummary(rest: Binary, known: Known): Destination | null {
  const splits = colons(rest);
  const tenantAt = (at: number) => rest.slice(0, at);
  const at =
    splits.find((at) =>
      known(`${TENANT}${tenantAt(at)}${DESTINATION}${rest.slice(at + 1)}`).type === "hash"
    ) ??
      splits.findLast((at) => exists(tenantAt(at), known)) ?? splits[0];
  if (at === undefined) return null;
  return { target: current(tenantAt(at), `destination_summary:${rest.slice(at + 1)}`), kind: "summaries" };
}

/** The longest tenant that exists and that a key can belong to. What is left of a deleted record is no other key. */
function longestTenant(rest: Binary, facts: Facts, known: Known): Binary | null {
  const splits = isTombstone(facts) ? someOf(occurrences(rest, DESTINATION)) : colons(rest);
  const at = splits.findLast((at) => exists(rest.slice(0, at), known));
  return at === undefined ? null : rest.slice(0, at);
}

function byForm(rest: Binary, facts: Facts, longest: Binary | null): Destination | null {
  const isHash = facts.type === "hash";
  const tenant = longest ??
    (isHash && !isTombstone(facts) && rest.endsWith(DESTINATIONS)
      ? rest.slice(0, -DESTINATIONS.length)
      : isHash && occurrences(rest, DESTINATION).length > 0
      ? rest.slice(0, occurrences(rest, DESTINATION)[0])
      : isTombstone(facts)
      ? null
      : rest.slice(0, colons(rest)[0] ?? (rest.startsWith(":") ? 0 : rest.length)));
  if (tenant === null) return { target: current(rest, "tenant"), kind: "tenants" };
  if (tenant === rest) return null;
  const suffix = rest.slice(tenant.length + 1);
  return { target: current(tenant, suffix), kind: kindOf(suffix, facts) };
}

function kindOf(suffix: Binary, { type }: Facts): string {
  if (type === "hash" && suffix.startsWith("destination:")) return "destinations";
  return type === "hash" && suffix === "destinations" ? "summaries" : "other";
}

/** True when a tenant has a record, old or current, deleted or not. */
function exists(tenant: Binary, known: Known): boolean {
  const [old, now] = records(tenant).map(known) as [Facts, Facts];
  const [id, currentId] = [old.values[0], now.values[0]];
  if ((old.type === "hash" && id === tenant) || (now.type === "hash" && currentId === tenant)) return true;
  // What is left of a destination under such a name is no tenant.
  return isTombstone(now) || (isTombstone(old) && !tenant.includes(DESTINATION));
}

/** The keys of a tenant's own record, old and current. */
function records(tenant: Binary): Binary[] {
  return [TENANT + tenant, current(tenant, "tenant")];
}

function current(tenant: Binary, suffix: Binary): Binary {
  return `${TENANT}{${tenant}}:${suffix}`;
}

function isBraced(tenant: Binary): boolean {
  return tenant.length > 1 && tenant.startsWith("{") && tenant.endsWith("}");
}

/** The part up to the first colon: all keys of a tenant share it, whatever its ID. Current keys are left out. */
function groupOf(key: Binary): Binary | null {
  const rest = key.startsWith(SUMMARY) ? key.slice(SUMMARY.length) : key.slice(TENANT.length);
  if (rest.startsWith("{") && rest.includes("}:")) return null;
  const colon = rest.indexOf(":", 1);
  return colon < 0 ? rest : rest.slice(0, colon);
}
