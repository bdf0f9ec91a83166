/**
 * The slots of one master of a cluster, as it tells itself.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { askedTogether } from "./asked_together.ts";
import { isUnavailable } from "./errors.ts";

/** A slot that is on its way from one master to another, or was left halfway. */
export interface OpenSlot {
  readonly slot: number;
  /** True where it comes to the one that tells, false where it goes. */
  readonly comes: boolean;
  /** ID of the other one. */
  readonly other: string;
}

/** What one master tells. */
export interface OwnSlots {
  /** ID of the master. */
  readonly id: string;
  /** Changes with everything that happens to its slots: their owner, and how many keys there are in the open ones. */
  readonly text: string;
  /** Slots that it owns; 0 for a replica. */
  readonly count: number;
  readonly open: readonly OpenSlot[];
}

/** Asks one master. */
export const readOwnSlots = askedTogether(async (client: Redis): Promise<OwnSlots> => {
  const nodes = String(await client.call("CLUSTER", "NODES"));
  const own = nodes.split("\n").find((line) => line.split(" ")[2]?.includes("myself")) ?? "";
  // ID, address, flags, master, ping, pong, epoch, link, then the slots: ranges, and in brackets those on the move.
  const [id = "", , flags, , , , epoch, , ...slots] = own.trim().split(" ");
  const open = slots.filter((range) => range.startsWith("[")).map(parseOpen);
  const ranges = slots.filter((range) => !range.startsWith("["));
  const keys = await Promise.all(open.map(({ slot }) => countKeys(client, slot)));
  return {
    id,
    // The epoch grows whenever slots come to a node: it tells slots that went and came back from slots that stayed.
    text: `${id} ${epoch} ${slots.join(" ")} ${keys.join(" ")}`,
    count: flags?.includes("master") ? ranges.reduce((sum, range) => sum + lengthOf(range), 0) : 0,
    open,
  };
});

/** `[77->-ID]` goes, `[93-<-ID]` comes. */
function parseOpen(text: string): OpenSlot {
  const [slot, direction, ...id] = text.slice(1, -1).split("-");
  return { slot: Number(slot), comes: direction === "<", other: id.join("-") };
}

function lengthOf(range: string): number {
  const [from, to] = range.split("-").map(Number);
  return (to ?? from!) - from! + 1;
}

async function countKeys(client: Redis, slot: number): Promise<number> {
  try {
    return Number(await client.call("CLUSTER", "COUNTKEYSINSLOT", slot));
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return 0; // This user may not ask: then a move is seen slot by slot alone.
  }
}
