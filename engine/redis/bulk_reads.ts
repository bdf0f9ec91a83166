/**
 * Reads many records at once: by one script where the server has that for this user, else by commands for each.
 *
 * @module
 */

import { slices } from "../slices.ts";
import { type Binary, fromBytes, toArgument, toBuffer } from "./binary.ts";
import { senselessAnswer } from "./errors.ts";
import { READ_EXISTING, READ_FIELDS, READ_HASHES, READ_NAMES } from "./scripts/reading.ts";
import type { Script } from "./scripts/script.ts";
import type { Argument, RedisStore } from "./store.ts";
import type { BatchSize } from "./walk/pacing.ts";

/** Values of the fields asked for, as binary strings, in the order of the fields; null for one that is not there. */
export type Values = readonly (Binary | null)[];

/** A hash, whole. */
export interface WholeHash {
  readonly fields: ReadonlyMap<Binary, Binary>;
  /** When it expires, in Unix milliseconds, or null for never. */
  readonly endsAt: number | null;
  /** When fields end that do so before it does, in Unix milliseconds as text. */
  readonly fieldEnds: ReadonlyMap<Binary, string>;
  /** SHA-1 of its dump, or empty when that was not asked for. */
  readonly digest: string;
}

/** Reads fields of records. @returns For each its values; null for one that is no hash. Of a missing one all are null. */
export async function readFields(
  store: RedisStore,
  keys: readonly Binary[],
  fields: readonly Binary[],
): Promise<(Values | null)[]> {
  return (await Rows.read(store, keys, fields)).of(keys, fields);
}

/** How fields of a batch are read. */
interface RowsReading {
  /** Learns from it how long that takes. */
  readonly size?: BatchSize;
  /** Of a record that has none of the fields asked for the names of its fields are read. */
  readonly names?: boolean;
  /**
   * The copy to read with a record, at the same moment; null for none. In a cluster it may be elsewhere, and is not: the record is read
   * whole there, to be compared with it.
   */
  readonly copyOf?: ((key: Binary) => Binary | null) | undefined;
}

/** Fields of a batch of records, read once for all who look at it. */
export class Rows {
  readonly #fields: readonly Binary[];
  readonly #rows: ReadonlyMap<Binary, Row | null>;
  /** Those that were read whole. */
  readonly whole: ReadonlyMap<Binary, WholeHash>;

  private constructor(
    fields: readonly Binary[],
    rows: ReadonlyMap<Binary, Row | null>,
    whole: ReadonlyMap<Binary, WholeHash>,
  ) {
    this.#fields = fields;
    this.#rows = rows;
    this.whole = whole;
  }

  static async read(
    store: RedisStore,
    keys: readonly Binary[],
    fields: readonly Binary[],
    { size, names = false, copyOf }: RowsReading = {},
  ): Promise<Rows> {
    const copies = store.clustered || copyOf === undefined ? null : keys.map(copyOf);
    const read = async () => {
      const rows = new Map<Binary, Row | null>();
      const add = async (some: readonly Binary[]) => {
        const told = await readRows(store, some, fields, names, copies);
        some.forEach((key, i) => rows.set(key, told[i]!));
      };
      if (copyOf === undefined || copies !== null) {
        await add(keys);
        return new Rows(fields, rows, new Map());
      }
      const isLikely = (key: Binary) => copyOf(key) !== null;
      const [whole] = await Promise.all([
        readWholeHashes(store, keys.filter(isLikely)),
        add(keys.filter((key) => !isLikely(key))),
      ]);
      for (const [key, hash] of whole) {
        rows.set(key, { values: fields.map((field) => hash.fields.get(field) ?? null) });
      }
      await add(keys.filter((key) => !rows.has(key)));
      return new Rows(fields, rows, whole);
    };
    return await (size?.measure("read", keys.length, read, ({ bytes }) => bytes) ?? read());
  }

  /** Some of the fields of some of the records, in this order; null for a record that is no hash. */
  of(keys: readonly Binary[], fields: readonly Binary[]): (Values | null)[] {
    const columns = fields.map((field) => this.#fields.indexOf(field));
    const isWhole = columns.length === this.#fields.length && columns.every((column, i) => column === i);
    return keys.map((key) => {
      const row = this.#rows.get(key)?.values ?? null;
      return row === null || isWhole ? row : columns.map((column) => row[column] ?? null);
    });
  }

  /** The names of a record's fields, where they were read. */
  namesOf(key: Binary): readonly Binary[] | undefined {
    return this.#rows.get(key)?.names;
  }

  /**
   * What the copy of a record has otherwise: names and values by turns, false for a value that it has not. Null where that cannot be
   * told, nothing where this copy was not looked at.
   */
  differing(source: Binary, target: Binary): readonly (Binary | false)[] | null | undefined {
    const row = this.#rows.get(source);
    return row?.copy === target ? row.differing : undefined;
  }

  /** How many bytes their values have. */
  get bytes(): number {
    let sum = 0;
    for (const row of this.#rows.values()) for (const value of row?.values ?? []) sum += value?.length ?? 0;
    return sum;
  }
}

/** What was read of a hash. */
export interface Row {
  readonly values: Values;
  readonly names?: readonly Binary[] | undefined;
  /** The copy that was to be read with it. */
  readonly copy?: Binary | null | undefined;
  /** See {@linkcode Rows.differing}. */
  readonly differing?: readonly (Binary | false)[] | null | undefined;
}

/** Values, and behind them the names, and what a copy has otherwise, if they are told; an empty list is `{}` in the JSON of a script. */
export type FieldsRow = (Binary | (Binary | false)[] | object | false | null)[];

async function readRows(
  store: RedisStore,
  keys: readonly Binary[],
  fields: readonly Binary[],
  withNames: boolean,
  copies: readonly (Binary | null)[] | null,
): Promise<(Row | null)[]> {
  const args = fields.map(toArgument);
  const told = copies === null ? "" : toBuffer(JSON.stringify(copies.map((copy) => copy ?? false)));
  const rows = await readJson(store, READ_FIELDS, keys, [withNames ? "1" : "0", told, ...args]) as
    | (FieldsRow | false)[]
    | null;
  if (rows !== null) {
    return rows.map((row, i) => row === false ? null : toRow(row, fields.length, copies?.[i]));
  }
  const replies = await store.callMany(keys.map((key) => ["HMGET", toArgument(key), ...args] as const));
  return replies.map((reply) => {
    if (!Array.isArray(reply)) return null;
    return {
      values: (reply as (Uint8Array | null)[]).map((value) => value === null ? null : fromBytes(value)),
    };
  });
}

/** @param width How many values there are. */
export function toRow(row: FieldsRow, width: number, copy?: Binary | null): Row {
  const told = row.splice(width);
  for (let j = 0; j < width; j++) if (row[j] === false) row[j] = null;
  const [names, differing] = told;
  return {
    values: row as Binary[],
    names: names === undefined || names === false ? undefined : listOf(names) as Binary[],
    copy,
    differing: differing === false ? null : differing === undefined ? undefined : listOf(differing),
  };
}

function listOf(told: FieldsRow[number]): (Binary | false)[] {
  return Array.isArray(told) ? told : [];
}

/**
 * Reads hashes whole, each at one moment: as many of them, from the front, as are not too much for one reply.
 *
 * @returns For each record what it holds, null for none, `other` for one that is no hash or too large a one. Null for all
 * where the server has no scripts for this user.
 */
export async function readHashes(
  store: RedisStore,
  keys: readonly Binary[],
  { digests }: { readonly digests: boolean },
): Promise<(WholeHash | "other" | null)[] | null> {
  const rows = await readJson(store, READ_HASHES, keys, [digests ? "1" : "0"]) as HashRow[] | null;
  if (rows === null) return null;
  // A node may have left out what was too much; what comes before that is there.
  const end = keys.findIndex((_, i) => rows[i] === undefined);
  const told = end < 0 ? rows : rows.slice(0, end);
  return told.map((row) => row === 0 ? null : row === 1 ? "other" : toHash(...row));
}

/** Reads hashes whole: as many of them as are not too much for one reply, and none by itself too large. */
async function readWholeHashes(store: RedisStore, keys: readonly Binary[]): Promise<Map<Binary, WholeHash>> {
  const hashes = await readHashes(store, keys, { digests: false }) ?? [];
  return new Map(hashes.flatMap((hash, i) => hash === null || hash === "other" ? [] : [[keys[i]!, hash]]));
}

/** An empty list is `{}` in the JSON of a script. */
type HashRow = 0 | 1 | [endsAt: string, flat: Binary[], digest: string, fieldEnds: Binary[] | object];

function toHash(endsAt: string, flat: readonly Binary[], digest: string, ends: Binary[] | object): WholeHash {
  const fieldEnds = byTurns(Array.isArray(ends) ? ends : []);
  return { fields: byTurns(flat), fieldEnds, endsAt: endsAt === "0" ? null : Number(endsAt), digest };
}

/** Names and values that stand in a list by turns, as servers tell of hashes and changes of what they set. */
export function byTurns(flat: readonly Binary[]): Map<Binary, Binary> {
  const pairs = new Map<Binary, Binary>();
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.set(flat[i]!, flat[i + 1]!);
  return pairs;
}

/** Fields that one command tells of a large hash. */
const PIECE = 200;

/**
 * Reads the fields of a hash in pieces, however many there are. What changes meanwhile may be told as it was or as it is.
 *
 * @returns Empty for a key that is no hash.
 */
export async function readInPieces(store: RedisStore, key: Binary): Promise<Map<Binary, Binary>> {
  const fields = new Map<Binary, Binary>();
  let cursor = "0";
  do {
    const args = [toArgument(key), cursor, "COUNT", String(PIECE)];
    const [reply] = await store.callMany([["HSCAN", ...args]]);
    if (!Array.isArray(reply)) return fields;
    const [next, flat] = reply as [Uint8Array, Uint8Array[]];
    for (const [name, value] of byTurns(flat.map(fromBytes))) fields.set(name, value);
    cursor = fromBytes(next);
  } while (cursor !== "0");
  return fields;
}

/** Reads the names of the fields of hashes. Of any other record there are none. */
export async function readNames(store: RedisStore, keys: readonly Binary[]): Promise<Binary[][]> {
  const rows = await readJson(store, READ_NAMES, keys, []) as (Binary[] | object | 1)[] | null;
  return await Promise.all(keys.map(async (key, i) => {
    const row = rows === null ? 1 : rows[i]!;
    if (row === 1) return [...(await readInPieces(store, key)).keys()];
    return Array.isArray(row) ? row as Binary[] : [];
  }));
}

/** Keys that are asked about together whether there is a record. */
const ASKED_AT_ONCE = 500;

/** Tells which records are there. */
export async function readExisting(
  store: RedisStore,
  keys: readonly Binary[],
): Promise<ReadonlySet<Binary>> {
  const there = new Set<Binary>();
  for (const some of slices(keys, ASKED_AT_ONCE)) {
    const replies = await readJson(store, READ_EXISTING, some, []) ??
      await store.callMany(some.map((key) => ["EXISTS", toArgument(key)] as const));
    some.forEach((key, i) => replies[i] === 1 && there.add(key));
  }
  return there;
}

/** @returns What a script answered in JSON, its text as binary strings; null where there are no scripts. */
async function readJson(
  store: RedisStore,
  script: Script,
  keys: readonly Binary[],
  args: readonly Argument[],
): Promise<unknown[] | null> {
  const rows: unknown[] = [];
  let isKnown = true;
  await store.onEachNode(keys, async (group) => {
    const answer = await store.evaluateReading(script, group.map((i) => keys[i]!), args);
    isKnown &&= answer !== null;
    if (answer !== null) parsed(answer).forEach((row, at) => rows[group[at]!] = row);
  });
  return isKnown ? rows : null;
}

/** @throws {StoreUnreachableError} When that is no list: no script ran. */
function parsed(answer: Uint8Array): readonly unknown[] {
  const text = fromBytes(answer);
  try {
    const rows: unknown = JSON.parse(text);
    if (Array.isArray(rows)) return rows;
  } catch {
    // Told below.
  }
  throw senselessAnswer("EVALSHA");
}
