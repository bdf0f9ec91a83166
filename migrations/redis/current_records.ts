/**
 * Tenants and destinations in the current form: `Ptenant:{<id>}:tenant` and `Ptenant:{<id>}:destination:<dest>`.
 *
 * A key is not enough to tell them: IDs may hold colons and braces, and the originals of a tenant whose ID is braced, as
 * `{x}`, have keys of this form. The whole key and the field `id` decide, and for destinations of such a tenant whether
 * its old record is there.
 *
 * @module
 */

import { type Binary, encodeText, escapePattern } from "../../engine/redis/binary.ts";
import type { Values } from "../../engine/redis/bulk_reads.ts";
import type { Facts } from "../../engine/redis/facts.ts";
import type { Lookalikes, TransformRules } from "../../engine/redis/transform/change.ts";
import { parseTimestamp } from "../../engine/timestamp.ts";
import { deploymentPrefix } from "../redis_layout.ts";

/** The two kinds of records, as counted. */
export type RecordKind = "tenants" | "destinations";

/** Fields of tenants and destinations that tell when they were changed. */
export const TIMES = ["created_at", "updated_at", "disabled_at", "deleted_at"];

/** What a migration of current records needs beside its own fields. The fields begin with `id` and `deleted_at`. */
export type CurrentRecords = Pick<
  TransformRules,
  "pattern" | "mayBe" | "kindOf" | "groupOf" | "keysOf" | "lookalikes"
>;

/** The current records of a deployment. @param deploymentId Empty for an installation without one. */
export function currentRecords(deploymentId: string): CurrentRecords {
  const start = `${encodeText(deploymentPrefix(deploymentId))}tenant:{`;
  return {
    pattern: `${escapePattern(start)}*`, // A server matches this the fastest.
    mayBe: (key) => key.includes("}:destination:") || key.endsWith("}:tenant"),
    kindOf: (key, values) => kindOf(start, key, values),
    groupOf: (key) => groupOf(start, key),
    keysOf: (tenant) => ({
      head: `${start}${tenant}}:tenant`,
      list: `${start}${tenant}}:destinations`,
      recordOf: (id) => `${start}${tenant}}:destination:${id}`,
    }),
    lookalikes: deploymentId === "" ? lookalikes : undefined, // Old records never had a prefix.
  };
}

function kindOf(start: string, key: Binary, [id = null, deletedAt = null]: Values): RecordKind | null {
  if (!key.startsWith(start)) return null;
  const rest = key.slice(start.length);
  if (id !== null) {
    if (rest.endsWith("}:tenant") && rest.slice(0, -8) === id) return "tenants";
    return rest.endsWith(`}:destination:${id}`) ? "destinations" : null;
  }
  // Only what is left of a deleted record is without an ID.
  if (!isTime(deletedAt)) return null;
  if (rest.includes("}:destination:")) return "destinations";
  return rest.endsWith("}:tenant") ? "tenants" : null;
}

/** The part up to the first `}:`, which only for IDs with that inside is less than the ID. */
function groupOf(start: string, key: Binary): Binary {
  const end = key.indexOf("}:", start.length);
  return end < 0 ? key : key.slice(start.length, end);
}

/** Originals of tenants whose whole ID is braced. */
const lookalikes: Lookalikes = {
  pattern: "tenant:{*}",
  fields: ["id", "deleted_at"],
  isOne: isBracedTenant,
  questions: (key, [id = null]) =>
    readings(key, id).flatMap(({ tenant, suffix }) => [
      `tenant:{${tenant}}`,
      `tenant:{${tenant}}:tenant`,
      `tenant:${tenant}:${suffix}`,
      `tenant:{{${tenant}}}:${suffix}`,
    ]),
  isOther: (key, [id = null], known) =>
    readings(key, id).some(({ tenant, suffix }) => {
      const old = `tenant:{${tenant}}`;
      if (!isBracedTenant(old, known(old))) return false;
      // Tenant "x" is there as well as tenant "{x}". What "x" had before is a copy; what has gone to "{x}" is an original.
      if (known(`tenant:{${tenant}}:tenant`).type === "none") return true;
      const { type, values: [own] } = known(`tenant:${tenant}:${suffix}`);
      if (type !== "none" && own !== `${tenant}:${suffix}`) return false; // Unless that is a tenant by its own ID.
      return known(`tenant:{{${tenant}}}:${suffix}`).type !== "none";
    }),
};

/** True for the old record of a tenant with a braced ID, deleted or not. */
export function isBracedTenant(key: Binary, { type, values: [id, deletedAt] }: Facts): boolean {
  if (type !== "hash" || !key.startsWith("tenant:{") || !key.endsWith("}")) return false;
  return id === null ? isTime(deletedAt) : id === key.slice("tenant:".length);
}

/** What is left of a deleted record. The facts begin with `id` and `deleted_at`; what lists records may have such a field. */
export function isTombstone({ type, values: [id = null, deletedAt = null] }: Facts): boolean {
  return type === "hash" && id === null && isTime(deletedAt);
}

function isTime(value: Binary | null | undefined): boolean {
  return typeof value === "string" && parseTimestamp(value) !== null;
}

/** Each costs as many bytes as the key has, and only what is left of a deleted record has more than one. */
const MOST_READINGS = 64;

/** Every way to read a key as one of a destination: the ID of the record decides where there is one. */
function readings(key: Binary, id: Binary | null): { readonly tenant: Binary; readonly suffix: Binary }[] {
  const found = [];
  for (let at = key.indexOf("}:"); at >= 0 && found.length < MOST_READINGS; at = key.indexOf("}:", at + 1)) {
    const suffix = key.slice(at + 2);
    const meant = id === null ? suffix.startsWith("destination:") : suffix === `destination:${id}`;
    if (meant) found.push({ tenant: key.slice("tenant:{".length, at), suffix });
  }
  return found;
}
