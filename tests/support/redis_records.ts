/**
 * Records as tests write and compare them: bytes in binary strings, one character for each byte.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Cluster, Redis } from "ioredis";
import type { MigrationResult } from "../../engine/migration.ts";
import type { RedisApplyOptions, RedisBackend } from "../../engine/redis_backend.ts";
import { type Binary, encodeText } from "../../engine/redis/binary.ts";
import { createRedisBackend } from "../../engine/redis/backend.ts";
import { RedisStore } from "../../engine/redis/store.ts";
import { redisLayout } from "../../migrations/redis_layout.ts";
import { frozenRedisMigrations } from "./frozen_registry.ts";

/** A backend with the first three migrations of Outpost. */
export function outpostBackend(client: Redis | Cluster, deploymentId = ""): RedisBackend {
  return createRedisBackend({
    store: new RedisStore(client),
    migrations: frozenRedisMigrations(deploymentId),
    layout: redisLayout(deploymentId),
  });
}

/** A signal that never fires. */
export const { signal: NEVER } = new AbortController();

/** The IDs of the three migrations. */
export const HASH_TAGS = "redis/001_hash_tags",
  TIMESTAMPS = "redis/002_timestamps",
  ENTITY = "redis/003_entity";

/** Applies all three in one pass. */
export function applyAll(backend: RedisBackend) {
  return backend.apply(backend.migrations.map(({ id }) => id), { signal: NEVER });
}

/** Applies one. */
export async function applyOne(
  backend: RedisBackend,
  id: string,
  options: RedisApplyOptions,
): Promise<MigrationResult> {
  const [result] = await backend.apply([id], options);
  return result!;
}

/** Bytes of a binary string. */
export function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** The bytes of text in UTF-8, as a binary string. */
export function utf8(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** Writes a hash. */
export async function putHash(
  client: Redis | Cluster,
  key: string,
  fields: Readonly<Record<string, string>>,
): Promise<void> {
  await client.callBuffer("HSET", [bytes(key), ...Object.entries(fields).flat().map(bytes)]);
}

/** Reads a hash; null when there is none. */
export async function getHash(client: Redis | Cluster, key: string): Promise<Record<string, string> | null> {
  const flat = await client.callBuffer("HGETALL", [bytes(key)]) as Buffer[];
  if (flat.length === 0) return null;
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) {
    fields[flat[i]!.toString("latin1")] = flat[i + 1]!.toString("latin1");
  }
  return fields;
}

/** All keys of a server, or of all masters of a cluster. */
export async function allKeys(client: Redis | Cluster): Promise<string[]> {
  const nodes = "nodes" in client ? client.nodes("master") : [client];
  const keys = await Promise.all(nodes.map((node) => node.callBuffer("KEYS", ["*"]) as Promise<Buffer[]>));
  return keys.flat().map((key) => key.toString("latin1")).sort();
}

/** Everything in a server: for each key its type, its content and when it expires. */
export async function snapshot(client: Redis | Cluster): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const key of await allKeys(client)) {
    const type = String(await client.callBuffer("TYPE", [bytes(key)]));
    if (type === "none") continue; // It ended just now.
    const content = type === "hash"
      ? JSON.stringify(Object.entries(await getHash(client, key) ?? {}).sort())
      : type === "set" // The same set is stored in another order on another server.
      ? JSON.stringify((await client.callBuffer("SMEMBERS", [bytes(key)]) as Buffer[]).map(String).sort())
      : (await client.callBuffer("DUMP", [bytes(key)]) as Buffer | null)?.toString("latin1");
    if (content !== undefined) all.set(key, `${type} ${await expiryOf(client, key)} ${content}`);
  }
  return all;
}

/** When a key expires, in Unix milliseconds; -1 for never, -2 for no key. */
export async function expiryOf(client: Redis | Cluster, key: Binary): Promise<number> {
  try {
    return Number(await client.callBuffer("PEXPIRETIME", [bytes(key)]));
  } catch (error) {
    if (!String(error).includes("unknown command")) throw error; // A server before 7.0.
  }
  while (true) {
    const before = Date.now();
    const left = Number(await client.callBuffer("PTTL", [bytes(key)]));
    if (left < 0) return left;
    if (Date.now() === before) return before + left; // This machine's clock is the server's.
  }
}

/** Fields of an old tenant. */
export function tenantFields(id: string): Record<string, string> {
  return { id, created_at: "2024-01-15T10:30:00.123456789+07:00", updated_at: "2024-02-01T00:00:00Z" };
}

/** Fields of an old destination, with credentials that are not UTF-8. */
export function destinationFieldsOf(id: string): Record<string, string> {
  return {
    id,
    type: "webhook",
    topics: '["*"]',
    config: '{"url":"https://example.com"}',
    credentials: "\x00\xff\xfe\x80\r\n$5\xc3\x28",
    created_at: "2024-01-15T10:30:00Z",
    updated_at: "2024-01-16T00:00:00.5-01:30",
    disabled_at: "2024-03-01T00:00:00Z",
  };
}

/** The bytes of a key that was shown so by the engine: text in UTF-8, with `\\x00` to `\\xff` for bytes that are not. */
export function parseDisplayed(text: string): Binary {
  return text.split(/(\\x[0-9a-f]{2})/).map((part, i) =>
    i % 2 === 1 ? String.fromCharCode(parseInt(part.slice(2), 16)) : encodeText(part)
  ).join("");
}
