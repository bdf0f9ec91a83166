/**
 * Records as the application stores them: read and replaced whole, each in one step of the server, as binary strings.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Cluster, Redis } from "ioredis";
import { bytes } from "../../support/redis_records.ts";

/** Fields of a hash, as binary strings. */
export type Fields = Readonly<Record<string, string>>;

/** A hash and when it expires (Unix milliseconds, -1 for never); null for no record. */
export type Stored = { readonly fields: Fields; readonly expiresAt: number } | null;

const READ = `return {redis.call('PEXPIRETIME', KEYS[1]), redis.call('HGETALL', KEYS[1])}`;

/** ARGV: number of texts expected, these, when it expires, the fields to leave there. Returns 1, or 0 when it is another. */
const REPLACE = `
local count = tonumber(ARGV[1])
local now = redis.call('HGETALL', KEYS[1])
if #now ~= count then return 0 end
for i = 1, count do if now[i] ~= ARGV[1 + i] then return 0 end end
redis.call('DEL', KEYS[1])
for i = count + 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[count + 2] ~= '-1' then redis.call('PEXPIREAT', KEYS[1], ARGV[count + 2]) end
return 1`;

/** Reads a hash. */
export async function readStored(client: Redis | Cluster, key: string): Promise<Stored> {
  const [expiresAt, flat] = await client.callBuffer("EVAL", [READ, "1", bytes(key)]) as [number, Buffer[]];
  if (flat.length === 0) return null;
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) {
    fields[flat[i]!.toString("latin1")] = flat[i + 1]!.toString("latin1");
  }
  return { fields, expiresAt };
}

/** Replaces a hash in one step, if it is still as it was read. @returns True when it was: the write is acknowledged. */
export async function replaceStored(
  client: Redis | Cluster,
  key: string,
  was: Stored,
  next: Stored,
): Promise<boolean> {
  const expected = was === null ? [] : Object.entries(was.fields).flat();
  const args = [
    ...[String(expected.length), ...expected],
    ...[String(next?.expiresAt ?? -1), ...Object.entries(next?.fields ?? {}).flat()],
  ];
  return Number(await client.callBuffer("EVAL", [REPLACE, "1", bytes(key), ...args.map(bytes)])) === 1;
}

/** A record of any type as text, null for none. The same content gives the same text, however it is stored. */
async function digestOf(client: Redis, key: string): Promise<string | null> {
  const name = bytes(key);
  const type = String(await client.callBuffer("TYPE", [name]));
  if (type === "none") return null;
  const content = await client.callBuffer(...contentCommand(type, name)) as Buffer | Buffer[];
  const parts = Array.isArray(content)
    ? content.map((part) => part.toString("latin1"))
    : [content.toString("latin1")];
  // A set has no order of its own, and neither have the fields of a hash.
  if (type === "set") parts.sort();
  if (type === "hash") parts.splice(0, parts.length, ...pairs(parts).sort());
  return JSON.stringify([type, parts, await client.callBuffer("PEXPIRETIME", [name])]);
}

/** The same, on whichever node the record is. */
export async function digestAnywhere(nodes: readonly Redis[], key: string): Promise<string | null> {
  for (const node of nodes) {
    const digest = await digestOf(node, key).catch((error: Error) => {
      if (/MOVED|ASK/.test(error.message)) return null;
      throw error;
    });
    if (digest !== null) return digest;
  }
  return null;
}

function contentCommand(type: string, name: Buffer): [string, (string | Buffer)[]] {
  switch (type) {
    case "hash":
      return ["HGETALL", [name]];
    case "set":
      return ["SMEMBERS", [name]];
    case "list":
      return ["LRANGE", [name, "0", "-1"]];
    case "zset":
      return ["ZRANGE", [name, "0", "-1", "WITHSCORES"]];
    default:
      return ["DUMP", [name]];
  }
}

function pairs(flat: readonly string[]): string[] {
  return flat.flatMap((name, i) => i % 2 === 0 ? [JSON.stringify([name, flat[i + 1]])] : []);
}

const TIMES = ["deleted_at", "disabled_at", "updated_at", "created_at"];

/** The latest of a record's times, in Unix milliseconds; 0 without any. */
export function timeOf(fields: Fields): number {
  return Math.max(0, ...TIMES.map((name) => toMilliseconds(fields[name] ?? "") ?? 0));
}

/** What somebody may have written for a time, and what that is in Unix milliseconds: null for none. */
export const ODD_TIMES: readonly (readonly [text: string, time: number | null])[] = [
  ["yesterday", null],
  ["2024-02-30T10:30:00Z", null],
  ["2024-01-15 10:30:00Z", null],
  ["2024-01-15T10:30:00", null],
  ["2016-12-31T23:59:60Z", null],
  ["0001-01-01T00:00:00Z", -62_135_596_800_000],
  ["2024-02-29t10:30:00.9999999z", 1_709_202_600_999],
];
/** Those of them that are none, and none at all. */
export const NO_TIMES: readonly string[] = [
  "",
  ...ODD_TIMES.flatMap(([text, time]) => time === null ? [text] : []),
];
const ODD: ReadonlyMap<string, number | null> = new Map(ODD_TIMES);

/** Reads both forms of a time. */
export function toMilliseconds(text: string): number | null {
  const odd = ODD.get(text);
  if (odd !== undefined) return odd;
  if (/^-?\d+$/.test(text)) return Number(text);
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? null : time;
}

/** What a record becomes when everything is migrated. What cannot be converted stays. */
export function converted(fields: Fields, entity: string | null): Fields {
  if (entity === null) return fields;
  const result: Record<string, string> = { ...fields, entity: fields.entity || entity };
  for (const name of ["created_at", "updated_at"]) {
    if (result[name] === undefined) continue;
    const time = toMilliseconds(result[name]);
    if (time !== null) result[name] = String(time);
  }
  return result;
}

/** True when a record says of a time what is none: then no migration can convert it. */
export function isUnreadable(stored: Stored): boolean {
  return ["created_at", "updated_at"].some((name) => {
    const text = stored?.fields[name] ?? "";
    return text !== "" && toMilliseconds(text) === null;
  });
}

/** True when two records differ in nothing but what the migrations convert. */
export function sameStored(one: Stored, other: Stored, entity: string | null): boolean {
  if (one === null || other === null) return one === other;
  if (!sameEnd(one.expiresAt, other.expiresAt)) return false;
  return sameFields(converted(one.fields, entity), converted(other.fields, entity));
}

/** MIGRATE, by which an operator moves slots, passes on what is left of a life, and not its end: it is late by the way there. */
const LATE_MS = 400;

/** True when two ends are the same, but for what the servers themselves make of them. */
export function sameEnd(one: number, other: number): boolean {
  return one < 0 || other < 0 ? one === other : Math.abs(one - other) <= LATE_MS;
}

/** True when two hashes hold the same. */
export function sameFields(one: Fields, other: Fields): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** A record in a line, for the log. */
export function showStored(stored: Stored): string {
  if (stored === null) return "nothing";
  const until = stored.expiresAt < 0 ? "" : ` until ${stored.expiresAt}`;
  return JSON.stringify(stored.fields) + until;
}

/** Everything that a small database holds, to be compared. */
export async function contentOf(client: Redis): Promise<string> {
  const keys = (await client.keys("*")).sort();
  return JSON.stringify(
    await Promise.all(keys.map(async (key) => [key, await digestAnywhere([client], key)])),
  );
}
