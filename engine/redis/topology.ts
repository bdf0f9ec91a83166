/**
 * Which servers hold the keys, and whether that stayed the same while something walked over them.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { pause } from "../pause.ts";
import { isCluster } from "./client.ts";
import { SLOTS } from "./hash_slot.ts";
import { type OpenSlot, readOwnSlots } from "./own_slots.ts";
import { readServerInfo, type ServerInfo } from "./server_info.ts";
import type { RedisStore } from "./store.ts";

/** One master. */
export interface MasterNode {
  /** What tells it from the others: `host:port`. */
  readonly name: string;
  readonly client: Redis;
  /** What it told of itself, or null where it does not tell. SCAN cursors are good for its process alone. */
  readonly info: ServerInfo | null;
}

/** All masters at one moment. */
export interface Topology {
  readonly nodes: readonly MasterNode[];
  /** Which node holds which slots; empty outside of a cluster. */
  readonly slots: string;
  /** Slots that are on the move: keys may slip from a node not yet walked to one that was. */
  readonly open: readonly OpenSlot[];
  /** True when each slot has a master that is there. */
  readonly covered: boolean;
}

/**
 * Asks every master, and lets the store know which slots are on the move. Sends read-only commands; a server that denies one
 * is taken to be the same only while connected.
 */
export async function readTopology(store: RedisStore): Promise<Topology> {
  const { client: cluster } = store;
  if (!isCluster(cluster)) {
    return { nodes: [await describe(cluster)], slots: "", open: [], covered: true };
  }
  if (cluster.status !== "ready") await cluster.ping(); // Connects, and fails where nothing answers.
  const nodes = await Promise.all(cluster.nodes("master").map(describe));
  const maps = await Promise.all(nodes.map(({ client }) => readOwnSlots(client)));
  const covered = maps.reduce((sum, { count }) => sum + count, 0) === SLOTS;
  // What it cannot learn now, the next look will tell.
  if (!covered) await new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
  const open = maps.flatMap((map) => map.open);
  store.openSlots = new Set(open.map(({ slot }) => slot));
  return { nodes, slots: maps.map(({ text }) => text).sort().join("\n"), open, covered };
}

async function describe(client: Redis): Promise<MasterNode> {
  const name = `${client.options.host ?? "127.0.0.1"}:${client.options.port ?? 6379}`;
  return { name, client, info: await readServerInfo(client) };
}

/** The process that answers, or null where it does not tell. */
export async function processOf(client: Redis): Promise<string | null> {
  return (await readServerInfo(client))?.process ?? null;
}

/** Counts how often a connection was closed, until disposed. */
export function watchConnection(client: Redis): Disposable & { readonly closed: number } {
  const events = client as unknown as EventEmitter; // Older compilers miss the inherited methods.
  let closed = 0;
  const count = () => closed++;
  events.on("close", count);
  return {
    get closed() {
      return closed;
    },
    [Symbol.dispose]: () => void events.off("close", count),
  };
}

/** Without any change for so long, a slot that is on the move counts as left halfway, in milliseconds. */
const STUCK_MS = 3000;
/** A move that goes on is waited for so long, which is cheaper than to walk over everything meanwhile, in milliseconds. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 100;

/**
 * Waits while slots move.
 *
 * @returns The slots that nobody moves any further, in order; empty once none is on the move, or when that takes too long.
 */
export async function waitForSlots(
  store: RedisStore,
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<readonly number[]> {
  const began = performance.now();
  let [known, since] = ["", began];
  while (performance.now() - began < patienceMs && !signal.aborted) {
    const { open, slots } = await readTopology(store);
    if (open.length === 0) return [];
    if (slots !== known) [known, since] = [slots, performance.now()];
    if (performance.now() - since > STUCK_MS) {
      return [...new Set(open.map(({ slot }) => slot))].sort((a, b) => a - b);
    }
    await pause(LOOK_MS, signal);
  }
  return [];
}
