/**
 * Whether the servers have room for the copies that are to be made: asked before anything is written, since a server that runs
 * full throws records away, or refuses those of the application.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import { toArgument } from "./binary.ts";
import { readExisting } from "./bulk_reads.ts";
import type { CopyChange } from "./copy/change.ts";
import { findPairs } from "./copy/pairs.ts";
import { isUnavailable } from "./errors.ts";
import type { ServerInfo } from "./server_info.ts";
import { scanPage } from "./scan.ts";
import type { RedisStore } from "./store.ts";
import { type MasterNode, readTopology } from "./topology.ts";

/** Keys of each server that are looked at, and of those that match so many are weighed. Servers keep keys in random order. */
const LOOKED_AT = 2000;
const WEIGHED = 300;
/** What a copy takes beyond its own bytes, the tables of keys that grow with it included. */
const MARGIN = 1.2;
/** What is in use goes up and down with the clients that are connected. */
const SPARE = 1.1;

/** Says which servers have no room for the copies that some changes make. Reads a few keys; a server without a limit has room. */
export async function findRoomBlockers(
  store: RedisStore,
  changes: readonly CopyChange[],
): Promise<readonly Blocker[]> {
  const { nodes } = await readTopology(store);
  if (changes.length === 0 || nodes.every(({ info }) => (info?.maxMemory ?? null) === null)) return [];
  let need = 0;
  for (const node of nodes) {
    for (const change of changes) need += await estimateCopies(store, node, change);
  }
  const each = (need * MARGIN) / nodes.length; // In a cluster, copies go to other masters than their originals.
  return nodes.flatMap(({ name, info }) => {
    const room = info === null || info.maxMemory === null ? Infinity : info.maxMemory - info.usedMemory;
    return each > room ? [blockerOf(name, info!, each)] : [];
  });
}

/** Bytes that the copies will take whose originals are on one master, from a few of them. */
async function estimateCopies(
  store: RedisStore,
  { client }: MasterNode,
  change: CopyChange,
): Promise<number> {
  const total = Number(await client.call("DBSIZE"));
  const { pattern } = change;
  const { next, keys: found } = await scanPage(client, { cursor: "0", pattern, count: LOOKED_AT });
  const keys = found.slice(0, WEIGHED);
  const pairs = await findPairs(change, store, false, keys);
  const there = await readExisting(store, pairs.map(({ target }) => target));
  const coming = pairs.filter(({ target }) => !there.has(target));
  const sizes = await store.callMany(
    coming.map(({ source }) => ["MEMORY", "USAGE", toArgument(source)] as const),
  ).catch((error: unknown) => {
    if (!isUnavailable(error)) throw error;
    return [];
  });
  const bytes = sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0);
  const looked = next === "0" ? total : Math.min(total, LOOKED_AT);
  return bytes * (total / Math.max(1, looked)) * (found.length / Math.max(1, keys.length));
}

function blockerOf(name: string, info: ServerInfo, need: number): Blocker {
  const { policy, usedMemory, maxMemory } = info;
  const evicts = policy !== "noeviction";
  const lost = policy.startsWith("allkeys-")
    ? `it would throw records away (${policy}), originals and copies alike`
    : evicts
    ? `it would throw away what expires (${policy}), such as the marks of deleted records`
    : "it would refuse what the application writes";
  return {
    store: "redis",
    kind: evicts ? "eviction" : "memory",
    object: name,
    detail:
      `The copies need about ${megabytes(need)}, and ${megabytes(usedMemory)} of the ${
        megabytes(maxMemory!)
      } that ` +
      `${name} may use are in use: ${lost}`,
    hint: `Raise maxmemory to ${megabytes((usedMemory + need) * SPARE)} or more${
      evicts ? ", and set maxmemory-policy to noeviction" : ""
    }; when the originals are cleaned up it can be as before`,
  };
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 100_000) / 10} MB`;
}
