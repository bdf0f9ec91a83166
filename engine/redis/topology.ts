/**
 * Which servers hold the keys, and whether that stayed the same while something walked over them.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
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
  /** True while slots are on the move, or have no master: then keys may slip from a node not yet walked to one that was. */
  readonly moving: boolean;
}

const SLOTS = 16384;

/** Asks every master. Sends read-only commands; a server that denies one is taken to be the same only while connected. */
export async function readTopology(store: RedisStore): Promise<Topology> {
  if (!store.clustered) {
    const client = store.client as Redis;
    return { nodes: [await describe(client)], slots: "", moving: false };
  }
  const cluster = store.client as Exclude<typeof store.client, Redis>;
  if (cluster.status !== "ready") await cluster.ping(); // Connects, and fails where nothing answers.
  const nodes = await Promise.all(cluster.nodes("master").map(describe));
  const maps = await Promise.all(nodes.map(ownSlots));
  const covered = maps.reduce((sum, { count }) => sum + count, 0);
  const moving = maps.some(({ open }) => open) || covered !== SLOTS;
  if (covered !== SLOTS) await refresh(cluster);
  return { nodes, slots: maps.map(({ text }) => text).sort().join("\n"), moving };
}

async function describe(client: Redis): Promise<MasterNode> {
  const name = `${client.options.host ?? "127.0.0.1"}:${client.options.port ?? 6379}`;
  return { name, client, info: await readServerInfo(client) };
}

/** The process that answers, or null where it does not tell. */
export async function processOf(client: Redis): Promise<string | null> {
  return (await readServerInfo(client))?.process ?? null;
}

/** The slots of one master as it tells itself: ranges, and in brackets those on the move. */
async function ownSlots(node: MasterNode): Promise<{ text: string; count: number; open: boolean }> {
  const nodes = String(await node.client.call("CLUSTER", "NODES"));
  const own = nodes.split("\n").find((line) => line.split(" ")[2]?.includes("myself")) ?? "";
  const [id, , flags, ...rest] = own.split(" ");
  const slots = rest.slice(5);
  let count = 0;
  for (const range of slots) {
    if (range.startsWith("[")) continue;
    const [from, to] = range.split("-").map(Number);
    count += (to ?? from!) - from! + 1;
  }
  if (!flags?.includes("master")) count = 0;
  // The epoch grows whenever slots come to a node: it tells slots that went and came back from slots that stayed.
  return {
    text: `${id} ${rest[3]} ${slots.join(" ")}`,
    count,
    open: slots.some((range) => range.startsWith("[")),
  };
}

async function refresh(cluster: unknown): Promise<void> {
  const { refreshSlotsCache } = cluster as { refreshSlotsCache?: (done: (error?: Error) => void) => void };
  await new Promise<void>((resolve) => {
    if (refreshSlotsCache === undefined) resolve();
    else refreshSlotsCache.call(cluster, () => resolve()); // What it cannot learn now, the next look will tell.
  });
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
