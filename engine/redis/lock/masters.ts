/**
 * The masters of a Redis, and a place on each for a key of the lock.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { type Ioredis, isCluster } from "../client.ts";
import { isUnavailable } from "../errors.ts";
import { tagOfSlot } from "../hash_slot.ts";
import { readOwnSlots } from "../own_slots.ts";

/** One master. */
export interface Master {
  readonly id: string;
  /** A hash tag of keys that are on it. */
  tag(): Promise<string>;
}

/** Where keys of a master can be. */
interface Place {
  /** First and last slots of its ranges. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Null where it cannot be told which connection leads to it. */
  readonly client: Redis | null;
}

/** What is being asked at this moment, by the connection: leases that are renewed together ask once. */
const asking = new WeakMap<Ioredis, Promise<readonly Master[]>>();

/** The masters. One Redis alone counts as one master of all slots. */
export function mastersOf(client: Ioredis): Promise<readonly Master[]> {
  const known = asking.get(client);
  if (known !== undefined) return known;
  const asked = askMasters(client).finally(() => asking.delete(client));
  asking.set(client, asked);
  return asked;
}

async function askMasters(client: Ioredis): Promise<readonly Master[]> {
  if (!isCluster(client)) return [masterAt("", { ranges: [[0, 0]], client: null })];
  const clients = new Map(
    client.nodes("master").map((node) => [`${node.options.host}:${node.options.port}`, node]),
  );
  const masters = new Map<string, Place & { readonly ranges: [number, number][] }>();
  for (const [start, end, [host, port, name]] of await slotsOf(client)) {
    const id = name ?? `${host}:${port}`;
    const master = masters.get(id) ?? { ranges: [], client: clients.get(`${host}:${port}`) ?? null };
    master.ranges.push([start, end]);
    masters.set(id, master);
  }
  return [...masters].map(([id, place]) => masterAt(id, place));
}

function masterAt(id: string, place: Place): Master {
  let tag: Promise<string> | undefined;
  return { id, tag: () => tag ??= tagOf(place) };
}

/** Whoever answers first tells: a master that hangs must not hide the others. */
async function slotsOf(client: Cluster): Promise<readonly SlotRange[]> {
  const nodes = client.nodes("master");
  const asked = nodes.length === 0 ? [client.cluster("SLOTS")] : nodes.map((node) => node.cluster("SLOTS"));
  return await Promise.any(asked) as unknown as SlotRange[];
}

/**
 * A hash tag of the first slot that a master serves and that stays with it: what is made anew in a slot on the move is made on
 * its next master.
 */
async function tagOf({ ranges, client }: Place): Promise<string> {
  const told = client === null ? null : await readOwnSlots(client).catch((error: unknown) => {
    if (!isUnavailable(error)) throw error;
    return null;
  });
  const open = new Set(told?.open.map(({ slot }) => slot));
  const sorted = ranges.toSorted(([one], [other]) => one - other);
  for (const [start, end] of sorted) {
    for (let slot = start; slot <= end; slot++) if (!open.has(slot)) return tagOfSlot(slot);
  }
  return tagOfSlot(sorted[0]![0]);
}

/** One line of `CLUSTER SLOTS`: first slot, last slot, master, replicas. */
type SlotRange = readonly [number, number, readonly [string, number, string?], ...unknown[]];
