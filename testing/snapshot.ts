/**
 * What a Redis holds, in a form that can be compared: the same records are equal however the server keeps them.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { RedisClient } from "../engine/redis/client.ts";

/** One record. */
export interface RecordState {
  /** Its type and all of its content, as JSON of latin1 text: one character for each byte. */
  readonly content: string;
  /** When it goes, in Unix milliseconds; null for never. */
  readonly expiresAt: number | null;
}

/** All records by key, a key as latin1 text. */
export type Snapshot = ReadonlyMap<string, RecordState>;

/** The commands that are used here, which `Redis` and `Cluster` of any ioredis have. */
interface Commands {
  call(command: string, ...args: readonly (string | Buffer)[]): Promise<unknown>;
  callBuffer(command: string, ...args: readonly (string | Buffer)[]): Promise<unknown>;
  nodes?(role: "master"): readonly Commands[];
}

/** Reads everything. Times of expiry are a millisecond exact at best: see {@linkcode differences}. */
export async function takeSnapshot(client: RedisClient): Promise<Snapshot> {
  const records = new Map<string, RecordState>();
  const whole = client as unknown as Commands;
  for (const node of whole.nodes?.("master") ?? [whole]) {
    let cursor = "0";
    do {
      const [next, keys] = await node.callBuffer("SCAN", cursor, "COUNT", "500") as [Buffer, Buffer[]];
      for (const key of keys) {
        const record = await readRecord(node, key);
        if (record !== null) records.set(key.toString("latin1"), record);
      }
      cursor = next.toString();
    } while (cursor !== "0");
  }
  return records;
}

async function readRecord(node: Commands, key: Buffer): Promise<RecordState | null> {
  const type = String(await node.call("TYPE", key));
  if (type === "none") return null;
  const [name, ...args] = READ[type] ?? ["DUMP"];
  const reply = toText(await node.callBuffer(name!, key, ...args));
  const ttl = Number(await node.call("PTTL", key));
  return {
    content: JSON.stringify([type, type === "hash" || type === "set" ? sorted(reply, type) : reply]),
    expiresAt: ttl < 0 ? null : Date.now() + ttl,
  };
}

/** How each type is read whole; others by `DUMP`. */
const READ: Readonly<Record<string, readonly string[]>> = {
  string: ["GET"],
  hash: ["HGETALL"],
  list: ["LRANGE", "0", "-1"],
  set: ["SMEMBERS"],
  zset: ["ZRANGE", "0", "-1", "WITHSCORES"],
};

function toText(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(toText);
  return reply === null ? null : (reply as Buffer).toString("latin1");
}

/** Fields of a hash and members of a set have no order of their own. */
function sorted(reply: unknown, type: "hash" | "set"): unknown {
  const words = reply as string[];
  if (type === "set") return words.toSorted();
  return words.flatMap((word, i) => i % 2 === 0 ? [[word, words[i + 1]!]] : [])
    .toSorted(([a], [b]) => a! < b! ? -1 : 1);
}

/** Two readings of one time of expiry differ by as much as the readings took, in milliseconds. */
const TOLERANCE_MS = 2000;

/** In which records two snapshots differ, one sentence each. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((key) => {
    const [one, other] = [before.get(key), after.get(key)];
    const name = JSON.stringify(key);
    if (one === undefined) return [`${name} was not there before`];
    if (other === undefined) return [`${name} is gone`];
    if (one.content !== other.content) return [`${name} was ${one.content} and is ${other.content}`];
    if ((one.expiresAt === null) !== (other.expiresAt === null)) {
      return [`${name} ${other.expiresAt === null ? "lost" : "got"} a time to live`];
    }
    const apart = Math.abs((one.expiresAt ?? 0) - (other.expiresAt ?? 0));
    return apart > TOLERANCE_MS ? [`${name} lives ${apart} ms longer or shorter`] : [];
  });
}
