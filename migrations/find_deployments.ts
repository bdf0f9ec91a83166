/**
 * Which deployments of Outpost a Redis holds.
 *
 * @module
 */

import type { Binary } from "../engine/redis/binary.ts";
import { readFields, type Values } from "../engine/redis/bulk_reads.ts";
import { admitClient, type RedisClient } from "../engine/redis/client.ts";
import { toToldError, watchFailures } from "../engine/redis/errors.ts";
import { RedisStore } from "../engine/redis/store.ts";
import { walk } from "../engine/redis/walk/walk.ts";
import { deploymentIdFault } from "./deployment_id.ts";
import { currentRecords } from "./redis/current_records.ts";
import { legacyKeys } from "./redis/legacy_keys.ts";
import { redisLayout } from "./redis_layout.ts";

/** What keys of records and bookkeeping begin with: without an ID, which comes first whatever follows the word, and with one. */
const BARE = /^(outpost|tenant|destination_summary):/;
const PREFIXED = /^([A-Za-z0-9_-]+):(outpost|tenant):/;
/** What tells a record from what looks like one. */
const FIELDS = ["id", "deleted_at"];

/**
 * Finds deployments by their bookkeeping and their records. Reads only; looks at all keys once.
 *
 * @param redis A `Redis` or `Cluster` of ioredis, owned by the caller.
 * @param options Ends the look.
 * @returns The IDs, sorted; empty for the installation without one. IDs that would be refused are no deployments.
 * @throws {StoreUnreachableError | StoreDeniedError} When Redis cannot be read.
 * @throws {InterruptedError} When the signal fired.
 */
export async function findOutpostDeployments(
  redis: RedisClient,
  { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  const client = admitClient(redis);
  const store = new RedisStore(client);
  const found = new Set<string>();
  const visit = async (keys: readonly Binary[]) => {
    const doubtful = new Map<Binary, string>();
    for (const key of keys) {
      const told = deploymentOf(key);
      if (told === null || found.has(told.id)) continue;
      if (told.isRecord) doubtful.set(key, told.id);
      else found.add(told.id);
    }
    const asked = [...doubtful].filter(([, id]) => !found.has(id));
    const rows = await readFields(store, asked.map(([key]) => key), FIELDS);
    asked.forEach(([key, id], i) => isRecord(id, key, rows[i] ?? null) && found.add(id));
  };
  try {
    await walk(store, { pattern: "*", signal, visit });
  } catch (error) {
    throw toToldError(error, "Cannot look for deployments", watchFailures(client)());
  }
  return [...found].sort();
}

/** Whose a key is by its name, and whether its record has to be looked at. */
function deploymentOf(key: Binary): { readonly id: string; readonly isRecord: boolean } | null {
  const bare = BARE.exec(key);
  const [id, word] = bare === null ? PREFIXED.exec(key)?.slice(1) ?? [] : ["", bare[1]];
  if (id === undefined || deploymentIdFault(id) !== null) return null;
  if (word !== "outpost") return { id, isRecord: true };
  return redisLayout(id).isIgnored(key) ? null : { id, isRecord: false };
}

function isRecord(id: string, key: Binary, values: Values | null): boolean {
  if (values !== null && currentRecords(id).kindOf(key, values) !== null) return true;
  return id === "" && legacyKeys.decide?.(key, values, true) !== null;
}
