/**
 * The whole content of a record, and whether a copy is as good as its original.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { parseTimestamp } from "../../timestamp.ts";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import { readHashes } from "../bulk_reads.ts";
import type { Argument, RedisStore } from "../store.ts";
import { isInconvertible, type TransformChange } from "../transform/change.ts";

/** A record of any type. */
export interface Content {
  readonly type: string;
  /** The fields of a hash, else null. */
  readonly fields: ReadonlyMap<Binary, Binary> | null;
  /** What tells any other type apart: its members in an order that does not depend on how they are stored. */
  readonly members: Binary;
  /** SHA-1 of the record's dump: proof, for a script, that it is still the same. Empty when it was not asked for. */
  readonly digest: string;
  /** Milliseconds that it lives on, or null for ever. */
  readonly ttlMs: number | null;
}

/** How a copy stands to its original. */
export type Judgement =
  /** The same, apart from what later migrations change. */
  | "same"
  /** Changed or deleted by the application since: it holds. */
  | "newer"
  /** Not what a copy should be. */
  | "different";

/** Fields that tell when a record was last changed. */
const TIMES = ["deleted_at", "disabled_at", "updated_at", "created_at"];
/** Two reads of a TTL lie this far apart at most. */
const TTL_TOLERANCE_MS = 2000;

/** How records are read. */
export interface ContentReading {
  /** What the records are taken to be, to save asking each; of another type they are asked for again. */
  readonly types?: readonly string[];
  /** Also the digests of their dumps, which take the server longer than all else. */
  readonly digests: boolean;
}

/** Reads records whole. A record that is not there is null. */
export async function readContents(
  store: RedisStore,
  keys: readonly Binary[],
  reading: ContentReading,
): Promise<(Content | null)[]> {
  const hashes = await readHashes(store, keys, reading);
  if (hashes === null) return await readEach(store, keys, reading);
  const others = keys.filter((_, i) => hashes[i] === "other");
  const contents = await readEach(store, others, { digests: reading.digests });
  return hashes.map((hash) =>
    hash === null ? null : hash === "other" ? contents.shift()! : { type: "hash", members: "", ...hash }
  );
}

/** Reads each record by commands of its own. */
async function readEach(
  store: RedisStore,
  keys: readonly Binary[],
  { types, digests }: ContentReading,
): Promise<(Content | null)[]> {
  const known = types ??
    (await store.callMany(keys.map((key) => ["TYPE", toArgument(key)] as const))).map(String);
  const stride = digests ? 3 : 2;
  const replies = await store.callMany(keys.flatMap((key, i) => {
    const name = toArgument(key);
    const commands = [reading(known[i]!, name), ["PTTL", name]] as const;
    return digests ? [...commands, ["DUMP", name]] as const : commands;
  }));
  return await Promise.all(keys.map(async (key, i) => {
    const [body, ttl, dump = null] = replies.slice(stride * i, stride * (i + 1)) as [
      unknown,
      number,
      Buffer?,
    ];
    const gone = Number(ttl) === -2 || (digests && dump === null);
    if (gone) return null;
    if (body instanceof Error) return (await readEach(store, [key], { digests }))[0]!;
    return contentOf(known[i]!, dump, Number(ttl), body);
  }));
}

function reading(type: string, key: Argument): readonly [string, ...Argument[]] {
  switch (type) {
    case "hash":
      return ["HGETALL", key];
    case "list":
      return ["LRANGE", key, "0", "-1"];
    case "set":
      return ["SMEMBERS", key];
    case "zset":
      return ["ZRANGE", key, "0", "-1", "WITHSCORES"];
    case "stream":
      return ["XRANGE", key, "-", "+"];
    default:
      return ["DUMP", key];
  }
}

function contentOf(type: string, dump: Buffer | null, ttl: number, body: unknown): Content {
  const digest = dump === null ? "" : createHash("sha1").update(dump).digest("hex");
  const ttlMs = ttl < 0 ? null : ttl;
  if (type === "hash") return { type, fields: toMap(body), members: "", digest, ttlMs };
  const flat = Array.isArray(body) ? (body as unknown[]).flat(9).map(text) : [text(body)];
  const members = (type === "set" ? flat.sort() : flat).join("\0");
  return { type, fields: null, members, digest, ttlMs };
}

/** Replies to HGETALL are an array, or, by a newer protocol, a map or an object. */
function toMap(body: unknown): Map<Binary, Binary> {
  const fields = new Map<Binary, Binary>();
  const flat = body as unknown[];
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(text(flat[i]), text(flat[i + 1]));
  return fields;
}

function text(part: unknown): Binary {
  return part instanceof Uint8Array ? fromBytes(part) : String(part);
}

/**
 * Compares a copy with its original.
 *
 * @param target Key of the copy.
 * @param later In-place migrations that may have run over the copy.
 */
export function judge(
  target: Binary,
  original: Content,
  copy: Content,
  later: readonly TransformChange[],
): Judgement {
  if (original.type !== copy.type) return "different";
  if (original.fields === null || copy.fields === null) {
    return original.members === copy.members && ttlKept(original, copy) ? "same" : "different";
  }
  if (sameFields(target, original.fields, copy.fields, later) && ttlKept(original, copy)) return "same";
  return lastChange(copy.fields) > lastChange(original.fields) ||
      (copy.fields.has("deleted_at") && !original.fields.has("deleted_at"))
    ? "newer"
    : "different";
}

/** What a record's fields become when the later migrations have run over it. */
export function afterMigrations(
  target: Binary,
  fields: ReadonlyMap<Binary, Binary>,
  later: readonly TransformChange[],
): ReadonlyMap<Binary, Binary> {
  let result = fields;
  for (const pattern of later) {
    const values = pattern.fields.map((field) => result.get(field) ?? null);
    const kind = pattern.kindOf(target, values);
    const changes = kind === null ? null : pattern.change(kind, values);
    if (changes === null || isInconvertible(changes)) continue;
    const changed = new Map(result);
    for (let i = 0; i + 1 < changes.length; i += 2) changed.set(changes[i]!, changes[i + 1]!);
    result = changed;
  }
  return result;
}

function sameFields(
  target: Binary,
  original: ReadonlyMap<Binary, Binary>,
  copy: ReadonlyMap<Binary, Binary>,
  later: readonly TransformChange[],
): boolean {
  const migrated = afterMigrations(target, original, later);
  for (const [field, value] of original) {
    const found = copy.get(field);
    if (found !== value && found !== migrated.get(field)) return false;
  }
  for (const [field, value] of copy) {
    if (!original.has(field) && migrated.get(field) !== value) return false;
  }
  return true;
}

function ttlKept(original: Content, copy: Content): boolean {
  if (original.ttlMs === null || copy.ttlMs === null) return original.ttlMs === copy.ttlMs;
  return Math.abs(original.ttlMs - copy.ttlMs) <= TTL_TOLERANCE_MS;
}

function lastChange(fields: ReadonlyMap<Binary, Binary>): number {
  const times = TIMES.map((field) => parseTimestamp(fields.get(field) ?? "")?.getTime() ?? -Infinity);
  return Math.max(...times);
}
