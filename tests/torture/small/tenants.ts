/**
 * Thousands of tenants in one Redis, each with a destination and its list, read and written many at a time.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { bytes } from "../../support/redis_records.ts";
import type { Stored } from "../redis/stored.ts";

/** The records that a tenant has. */
export const KINDS = ["tenant", "destination", "list"] as const;
/** One of them. */
export type Kind = typeof KINDS[number];

/** A record in both of its forms. */
export interface Forms {
  readonly original: Stored;
  readonly copy: Stored;
}

/** A state that an application left, and in which slot. */
export interface Version {
  readonly stored: Stored;
  readonly slot: number;
}

/** What was acknowledged of a record. */
export interface History {
  readonly old: Version[];
  /** What the new application left last, and which state of the old one it had before it; -1 for none. */
  now: (Version & { readonly grownFrom: number }) | null;
}

/** A tenant, and all that was written to it. */
export interface Tenant {
  readonly id: string;
  /** What happens in each slot. */
  readonly sequence: readonly string[];
  /** The old application writes times in whole seconds. */
  readonly seconds: boolean;
  /** Which records a run that failed did not reach: a bit for each of {@linkcode KINDS}. */
  readonly unreached: number;
  readonly history: Readonly<Record<Kind, History>>;
}

/** The old and the new name of a record. */
export function namesOf(id: string, kind: Kind): { readonly original: string; readonly copy: string } {
  const [before, after] = kind === "tenant"
    ? ["", ":tenant"]
    : kind === "list"
    ? [":destinations", ":destinations"]
    : [":destination:d1", ":destination:d1"];
  return { original: `tenant:${id}${before}`, copy: `tenant:{${id}}${after}` };
}

const READ = `local found = {}
for i, key in ipairs(KEYS) do found[i] = {redis.call('PEXPIRETIME', key), redis.call('HGETALL', key)} end
return found`;
/** Keys that one script reads. */
const AT_ONCE = 600;

/** Reads hashes. */
export async function readAll(client: Redis, keys: readonly string[]): Promise<Stored[]> {
  const found: Stored[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE);
    const replies = await client.callBuffer("EVAL", [READ, String(some.length), ...some]) as [
      number,
      Uint8Array[],
    ][];
    for (const [expiresAt, flat] of replies) {
      const texts = flat.map((part) => part.toString());
      const fields = Object.fromEntries(
        texts.flatMap((name, i) => i % 2 === 0 ? [[name, texts[i + 1]!]] : []),
      );
      found.push(texts.length === 0 ? null : { fields, expiresAt });
    }
  }
  return found;
}

/** Reads all records of tenants in both forms. */
export async function readForms(
  client: Redis,
  tenants: readonly Tenant[],
): Promise<Readonly<Record<Kind, Forms>>[]> {
  const keys = tenants.flatMap(({ id }) => KINDS.flatMap((kind) => Object.values(namesOf(id, kind))));
  const found = await readAll(client, keys);
  return tenants.map((_, t) =>
    Object.fromEntries(KINDS.map((kind, k) => {
      const at = (t * KINDS.length + k) * 2;
      return [kind, { original: found[at]!, copy: found[at + 1]! }];
    })) as Record<Kind, Forms>
  );
}

/** Writes whole records; null deletes. */
export async function writeAll(client: Redis, writes: ReadonlyMap<string, Stored>): Promise<void> {
  const entries = [...writes];
  for (let at = 0; at < entries.length; at += AT_ONCE) {
    const pipeline = client.pipeline();
    for (const [key, stored] of entries.slice(at, at + AT_ONCE)) {
      pipeline.del(key);
      if (stored === null) continue;
      pipeline.hset(key, ...Object.entries(stored.fields).flat().map(bytes));
      if (stored.expiresAt >= 0) pipeline.pexpireat(key, stored.expiresAt);
    }
    for (const [error] of await pipeline.exec() ?? []) if (error !== null) throw error;
  }
}
