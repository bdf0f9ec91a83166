/**
 * Which deployments of Outpost a Redis holds.
 *
 * @module
 */

import { type Binary, decodeText } from "../engine/redis/binary.ts";
import { readFields, type Values } from "../engine/redis/bulk_reads.ts";
import { foreignText } from "../engine/foreign_text.ts";
import { admitClient, type RedisClient } from "../engine/redis/client.ts";
import { toToldError, watchFailures } from "../engine/redis/errors.ts";
import { RedisStore } from "../engine/redis/store.ts";
import { walk } from "../engine/redis/walk/walk.ts";
import { deploymentIdFault } from "./deployment_id.ts";
import { currentRecords } from "./redis/current_records.ts";
import { legacyKeys } from "./redis/legacy_keys.ts";

/** What keys of records and bookkeeping begin with: without an ID, which comes first whatever follows the word, and with one. */
const BARE = /^(outpost|tenant|destination_summary):/;
const PREFIXED = /^([^]+?):(outpost|tenant):/;
/** What Outpost itself and its tools leave behind of an installation, for good: other applications may use the word for keys of theirs. */
const BOOKS = /(^|:)outpost:(migration:\d|installation_id$|schema:version$)/;
/** What tells a record from what looks like one. */
const FIELDS = ["id", "deleted_at"];

/**
 * Finds deployments by their bookkeeping and their records. Reads only; looks at all keys once.
 *
 * @param redis A `Redis` or `Cluster` of ioredis, owned by the caller.
 * @param options.signal Ends the look.
 * @param options.onRefused Told, in the end, of each whose ID would be refused, and why, as in "must be ...".
 * @returns The IDs, sorted; empty for the installation without one.
 * @throws {StoreUnreachableError | StoreDeniedError} When Redis cannot be read.
 * @throws {InterruptedError} When the signal fired.
 */
export async function findOutpostDeployments(
  redis: RedisClient,
  { signal = new AbortController().signal, onRefused }: {
    readonly signal?: AbortSignal;
    readonly onRefused?: (name: string, why: string) => void;
  } = {},
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
  return [...found].sort().filter((id) => {
    const why = deploymentIdFault(id);
    if (why !== null) onRefused?.(foreignText(id), why);
    return why === null;
  });
}

/** Whose a key is by its name, and whether its record has to be looked at. */
function deploymentOf(key: Binary): { readonly id: string; readonly isRecord: boolean } | null {
  const bare = BARE.exec(key);
  const [prefix, word] = bare === null ? PREFIXED.exec(key)?.slice(1) ?? [] : ["", bare[1]];
  const id = prefix === undefined ? null : decodeText(prefix);
  if (id === null) return null;
  if (word !== "outpost") return { id, isRecord: true };
  return BOOKS.test(key) ? { id, isRecord: false } : null;
}

function isRecord(id: string, key: Binary, values: Values | null): boolean {
  if (values !== null && currentRecords(id).kindOf(key, values) !== null) return true;
  return id === "" && legacyKeys.decide?.(key, values, true) !== null;
}
