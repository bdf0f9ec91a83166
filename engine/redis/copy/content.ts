/**
 * The whole content of records, read in portions that neither the server nor this program has trouble with.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { slices } from "../../slices.ts";
import { type Binary, toArgument } from "../binary.ts";
import { readHashes, readInPieces } from "../bulk_reads.ts";
import { type End, readEnds } from "../ends.ts";
import { isUnknown } from "../errors.ts";
import type { RedisStore } from "../store.ts";
import { type Body, bodyOf, commandsFor } from "./body.ts";

/** A record of any type. */
export interface Content extends Body {
  readonly type: string;
  /** When fields of a hash end that do so before it does, in Unix milliseconds as text. */
  readonly fieldEnds: ReadonlyMap<Binary, string>;
  /** SHA-1 of the record's dump: proof, for a script, that it is still the same. Empty when it was not asked for, and for a large hash. */
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
const MOST_FIELDS = 1000;

async function readLarge(store: RedisStore, key: Binary): Promise<Content | null> {
  const fields = await readInPieces(store, key);
  const [end] = await readEnds(store, [key]);
  if (fields.size === 0 || end?.at === undefined) return null;
  const fieldEnds = await readFieldEnds(store, key, fields);
  return { type: "hash", fields, fieldEnds, members: "", digest: "", ...endOf(end), large: true };
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
      return [await readLarge(store, first!)];
    }
  }
  const types = (await store.callMany(keys.map((key) => ["TYPE", toArgument(key)] as const))).map(String);
  const commands = keys.map((key, i) => {
    const name = toArgument(key);
    // Before the rest: what is written in between is not what the digest proves, and stays.
    return [
      ...digests ? [["DUMP", name] as const] : [],
      ...commandsFor(types[i]!, name),
    ];
  });
  const replies = await store.callMany(commands.flat());
  const ends = await readEnds(store, keys);
  return await Promise.all(keys.map(async (key, i) => {
    const own = replies.splice(0, commands[i]!.length);
    const dump = digests ? own.shift() as Buffer | null : null;
    const end = ends[i]!;
    if (types[i] === "none" || end.at === undefined || (digests && dump === null)) return null;
    if (own.some((part) => part instanceof Error)) return (await readEach(store, [key], reading))[0]!;
    const body = bodyOf(types[i]!, own);
    const fieldEnds = body.fields === null ? NO_ENDS : await readFieldEnds(store, key, body.fields);
    return { type: types[i]!, ...body, fieldEnds, digest: dump === null ? "" : sha1(dump), ...endOf(end) };
  }));
}

/** Servers before 7.4 know no end of a field. */
async function readFieldEnds(
  store: RedisStore,
  key: Binary,
  fields: ReadonlyMap<Binary, Binary>,
): Promise<ReadonlyMap<Binary, string>> {
  const found = new Map<Binary, string>();
  try {
    for (const some of slices([...fields.keys()], MOST_FIELDS)) {
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
