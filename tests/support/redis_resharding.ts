/**
 * Moves hash slots between the masters of a running cluster, as an operator's tools do: key by key.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import type { RedisCluster } from "./redis.ts";

/** Moves slots from one master to another, one after the other, until all are moved or `isOver` says so. */
export async function moveSlots(
  cluster: RedisCluster,
  slots: Iterable<number>,
  { from, to, isOver = () => false }: {
    readonly from: number;
    readonly to: number;
    readonly isOver?: () => boolean;
  },
): Promise<number> {
  const clients = cluster.nodes.map((node) => node.client());
  const ids = await Promise.all(clients.map(async (client) => String(await client.call("CLUSTER", "MYID"))));
  const [source, target] = [clients[from]!, clients[to]!];
  let moved = 0;
  for (const slot of slots) {
    if (isOver()) break;
    await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]!);
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]!);
    await moveKeys(source, cluster.ports[to]!, slot);
    // The target first: else for a moment nobody would own the slot.
    await target.call("CLUSTER", "SETSLOT", slot, "NODE", ids[to]!);
    await source.call("CLUSTER", "SETSLOT", slot, "NODE", ids[to]!);
    for (const other of clients) {
      if (other !== source && other !== target) {
        await other.call("CLUSTER", "SETSLOT", slot, "NODE", ids[to]!);
      }
    }
    moved++;
  }
  return moved;
}

async function moveKeys(source: Redis, port: number, slot: number): Promise<void> {
  while (true) {
    const keys = await source.callBuffer("CLUSTER", ["GETKEYSINSLOT", String(slot), "20"]) as Buffer[];
    if (keys.length === 0) return;
    await source.callBuffer("MIGRATE", ["127.0.0.1", String(port), "", "0", "5000", "KEYS", ...keys]);
  }
}
