/**
 * What a record of any type is read with, and what is compared of it.
 *
 * @module
 */

import { type Binary, fromBytes } from "../binary.ts";
import { byTurns } from "../bulk_reads.ts";
import type { Argument } from "../store.ts";

/** What is in a record, however it is stored. */
export interface Body {
  /** The fields of a hash, else null. */
  readonly fields: ReadonlyMap<Binary, Binary> | null;
  /** What tells any other type apart: its members in an order that does not depend on how they are stored. */
  readonly members: string;
}

/** The commands that read a record of a type, as TYPE says it. */
export function commandsFor(type: string, key: Argument): (readonly [string, ...Argument[]])[] {
  switch (type) {
    case "hash":
      return [["HGETALL", key]];
    case "string": // A dump depends on the settings and the version of its server.
      return [["GET", key]];
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

/** What these commands told. */
export function bodyOf(type: string, [body, about]: readonly unknown[]): Body {
  if (type === "hash") return { fields: byTurns((body as unknown[]).map(text)), members: "" };
  const told = type === "set"
    ? (body as unknown[]).map(text).sort()
    : type === "stream"
    ? [plain(body), withoutVolatile(about)]
    : plain(body);
  return { fields: null, members: JSON.stringify(told) };
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
