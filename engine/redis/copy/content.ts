/**
 * The whole content of records, read in portions that neither the server nor this program has trouble with.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import { readHashes, readInPieces } from "../bulk_reads.ts";
import { type End, readEnds } from "../ends.ts";
import { isUnknown } from "../errors.ts";
import type { Argument, RedisStore } from "../store.ts";

/** A record of any type. */
export interface Content {
  readonly type: string;
  /** The fields of a hash, else null. */
  readonly fields: ReadonlyMap<Binary, Binary> | null;
  /** When fields of a hash end that do so before it does, in Unix milliseconds as text. */
  readonly fieldEnds: ReadonlyMap<Binary, string>;
  /** What tells any other type apart: its members in an order that does not depend on how they are stored. */
  readonly members: string;
  /**
   * SHA-1 of the record's dump: proof, for a script, that it is still the same. Of a large hash, of its fields and their ends.
   * Empty when it was not asked for.
   */
  readonly digest: string;
  /** When it expires, in Unix milliseconds, or null for never. */
  readonly endsAt: number | null;
  /** True where this server and this user leave no way to know that to the millisecond. */
  readonly endsRoughly?: true;
  /** True for a hash of so many fields that no single command may look at all of them: it was read in pieces. */
  readonly large?: true;
}

/** How records are read. */
export interface ContentReading {
  /** Also the digests of their dumps, which take the server longer than all else. */
  readonly digests: boolean;
  /** In a cluster, also what is large is read at one moment, as it is for a digest. */
  readonly whole?: boolean;
}

/** Records that are read one by one are asked for together up to this many bytes. */
const MOST_BYTES = 1024 * 1024;
const NO_ENDS: ReadonlyMap<Binary, string> = new Map();

/**
 * Reads records whole, each at one moment.
 *
 * @param atOnce Records to be told of together, such as two for pairs: they come in one portion.
 * @returns In portions, in order. A record that is not there is null.
 */
export async function* readContents(
  store: RedisStore,
  keys: readonly Binary[],
  reading: ContentReading,
  atOnce = 1,
): AsyncGenerator<(Content | null)[]> {
  let kept: (Content | null)[] = [];
  for await (const portion of portions(store, keys, reading)) {
    kept.push(...portion);
    const whole = kept.length - kept.length % atOnce;
    if (whole > 0) yield kept.slice(0, whole);
    kept = kept.slice(whole);
  }
}

/** Reads few records whole. */
export async function readFew(store: RedisStore, keys: readonly Binary[]): Promise<(Content | null)[]> {
  const found: (Content | null)[] = [];
  for await (const portion of portions(store, keys, { digests: false })) found.push(...portion);
  return found;
}

async function* portions(
  store: RedisStore,
  keys: readonly Binary[],
  reading: ContentReading,
): AsyncGenerator<(Content | null)[]> {
  for (let at = 0; at < keys.length;) {
    const hashes = await readHashes(store, keys.slice(at), reading);
    if (hashes === null) {
      yield* inSlices(store, keys.slice(at), reading);
      return;
    }
    let told: (Content | null)[] = [];
    for (const hash of hashes) {
      if (hash === "other") {
        yield told;
        told = await readEach(store, [keys[at]!], reading);
      } else told.push(hash === null ? null : { type: "hash", members: "", ...hash });
      at++;
    }
    yield told;
  }
}

/** Reads records by commands of their own, as many together as are not too much. */
async function* inSlices(
  store: RedisStore,
  keys: readonly Binary[],
  reading: ContentReading,
): AsyncGenerator<(Content | null)[]> {
  const sizes = await store.callMany(keys.map((key) => ["MEMORY", "USAGE", toArgument(key)] as const));
  for (let at = 0; at < keys.length;) {
    let [end, bytes] = [at, 0];
    do bytes += Number(sizes[end++] ?? 0); while (
      end < keys.length && bytes + Number(sizes[end] ?? 0) <= MOST_BYTES
    );
    yield await readEach(store, keys.slice(at, end), reading);
    at = end;
  }
}

/** A hash of more fields is read in pieces. */
const MOST_FIELDS = 2000;

async function readLarge(store: RedisStore, key: Binary, digests: boolean): Promise<Content | null> {
  const fields = await readInPieces(store, key);
  const [end] = await readEnds(store, [key]);
  if (fields.size === 0 || end?.at === undefined) return null;
  const fieldEnds = await readFieldEnds(store, key, fields);
  const digest = digests ? sha1(JSON.stringify([[...fields].sort(), [...fieldEnds].sort()])) : "";
  return { type: "hash", fields, fieldEnds, members: "", digest, ...endOf(end), large: true };
}

async function readEach(
  store: RedisStore,
  keys: readonly Binary[],
  reading: ContentReading,
): Promise<(Content | null)[]> {
  const { digests, whole = digests } = reading;
  const [first] = keys;
  if (keys.length === 1) {
    const [length] = await store.callMany([["HLEN", toArgument(first!)]]);
    // Between nodes no watch tells of a change meanwhile, and a deletion rests on the digest of a whole dump.
    if (Number(length) > MOST_FIELDS && !(whole && store.clustered)) {
      return [await readLarge(store, first!, digests)];
    }
  }
  const types = (await store.callMany(keys.map((key) => ["TYPE", toArgument(key)] as const))).map(String);
  const commands = keys.map((key, i) => {
    const name = toArgument(key);
    return [
      ...commandsFor(types[i]!, name),
      ...digests ? [["DUMP", name] as const] : [],
    ];
  });
  const replies = await store.callMany(commands.flat());
  const ends = await readEnds(store, keys);
  return await Promise.all(keys.map(async (key, i) => {
    const own = replies.splice(0, commands[i]!.length);
    const dump = digests ? own.pop() as Buffer | null : null;
    const end = ends[i]!;
    if (types[i] === "none" || end.at === undefined || (digests && dump === null)) return null;
    if (own.some((part) => part instanceof Error)) return (await readEach(store, [key], reading))[0]!;
    const content: Content = { ...contentOf(types[i]!, dump, own), ...endOf(end) };
    return content.fields === null
      ? content
      : { ...content, fieldEnds: await readFieldEnds(store, key, content.fields) };
  }));
}

function commandsFor(type: string, key: Argument): (readonly [string, ...Argument[]])[] {
  switch (type) {
    case "hash":
      return [["HGETALL", key]];
    case "list":
      return [["LRANGE", key, "0", "-1"]];
    case "set":
      return [["SMEMBERS", key]];
    case "zset":
      return [["ZRANGE", key, "0", "-1", "WITHSCORES"]];
    case "stream":
      return [["XRANGE", key, "-", "+"], ["XINFO", "STREAM", key, "FULL", "COUNT", "0"]];
    default:
      return [["DUMP", key]];
  }
}

/** Servers before 7.4 know no end of a field. */
async function readFieldEnds(
  store: RedisStore,
  key: Binary,
  fields: ReadonlyMap<Binary, Binary>,
): Promise<ReadonlyMap<Binary, string>> {
  const names = [...fields.keys()];
  const found = new Map<Binary, string>();
  try {
    for (let at = 0; at < names.length; at += MOST_FIELDS) {
      const some = names.slice(at, at + MOST_FIELDS);
      const args = [toArgument(key), "FIELDS", String(some.length), ...some.map(toArgument)];
      const [ends] = await store.callMany([["HPEXPIRETIME", ...args]]);
      if (!Array.isArray(ends)) return NO_ENDS;
      some.forEach((name, i) => Number(ends[i]) > 0 && found.set(name, String(ends[i])));
    }
    return found;
  } catch (error) {
    if (!isUnknown(error)) throw error; // Whoever may not ask could take two forms for the same.
    return NO_ENDS;
  }
}

function sha1(content: Buffer | string): string {
  return createHash("sha1").update(content).digest("hex");
}

function endOf({ at = null, roughly }: End): Pick<Content, "endsAt" | "endsRoughly"> {
  return roughly ? { endsAt: at, endsRoughly: true } : { endsAt: at };
}

function contentOf(type: string, dump: Buffer | null, parts: unknown[]): Omit<Content, "endsAt"> {
  const digest = dump === null ? "" : sha1(dump);
  const [body] = parts;
  if (type === "hash") return { type, fields: toMap(body), fieldEnds: NO_ENDS, members: "", digest };
  const told = type === "set"
    ? (body as unknown[]).map(text).sort()
    : type === "stream"
    ? [plain(body), withoutVolatile(parts[1])]
    : plain(body);
  return { type, fields: null, fieldEnds: NO_ENDS, members: JSON.stringify(told), digest };
}

/** Replies to HGETALL are an array, or, by a newer protocol, a map or an object. */
function toMap(body: unknown): Map<Binary, Binary> {
  const fields = new Map<Binary, Binary>();
  const flat = body as unknown[];
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(text(flat[i]), text(flat[i + 1]));
  return fields;
}

/** How a stream is stored, and when its consumers were last seen, is no part of it. */
const VOLATILE = new Set(["radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time", "entries"]);

/** A reply of names and values by turns, lists of such included, without the names above. */
function withoutVolatile(reply: unknown): unknown {
  if (!Array.isArray(reply)) return text(reply);
  const parts = reply as unknown[];
  const isNamed = parts.length % 2 === 0 &&
    parts.every((part, i) => i % 2 === 1 || part instanceof Uint8Array);
  if (!isNamed) return parts.map(withoutVolatile);
  return parts.flatMap((part, i) =>
    i % 2 === 1 ? [] : VOLATILE.has(text(part)) ? [] : [[text(part), withoutVolatile(parts[i + 1])]]
  );
}

function plain(part: unknown): unknown {
  return Array.isArray(part) ? (part as unknown[]).map(plain) : text(part);
}

function text(part: unknown): Binary {
  return part instanceof Uint8Array ? fromBytes(part) : String(part);
}
