/**
 * Where a walk over the keyspace stands, so that a later run can go on from there.
 *
 * @module
 */

import { checksumOf } from "../checksum.ts";
import type { MasterNode, Topology } from "./topology.ts";

/** Where the walk over a node stands. */
export interface NodePosition {
  /** The process that the cursors are good for. */
  readonly process: string;
  /** The cursor up to which every batch is done. */
  readonly cursor: string;
  /** Set in the second look at what an interrupted run had passed: the cursor where that ends. */
  readonly until?: string;
}

/** Where a walk stands: for each master, by name. */
export interface Position {
  readonly [node: string]: NodePosition;
}

/** Told, after each batch, of the position and the share of the walk that is done, 0 to 1. */
export type OnStep = (position: Position, share: number) => void;

/** The cursor of a node that is done. */
export const END = "end";

/**
 * The positions and shares of all nodes of a pass. A position is good for one process, and in a cluster for one
 * distribution of the slots: keys that moved meanwhile may have come to where the walk has been.
 */
export class SharedPosition {
  readonly #position: Record<string, NodePosition> = {};
  readonly #shares = new Map<string, number>();
  readonly #slots: string;
  readonly #report: OnStep | undefined;

  constructor(topology: Topology, from: Position | undefined, onStep: OnStep | undefined) {
    this.#slots = topology.slots === "" ? "" : ` ${checksumOf(topology.slots)}`;
    this.#report = onStep;
    for (const node of topology.nodes) {
      this.#shares.set(node.name, 0);
      const saved = from?.[node.name];
      if (saved !== undefined && saved.process === this.#goodFor(node)) {
        this.#position[node.name] = { ...saved };
      }
    }
  }

  /** Where an interrupted run stood, if its cursors are still good. */
  savedOf(node: MasterNode): NodePosition | undefined {
    return this.#position[node.name];
  }

  /** @param at Up to where all is done, or null while that is no further than before. */
  update(node: MasterNode, at: Omit<NodePosition, "process"> | null, share: number): void {
    const process = this.#goodFor(node);
    if (at !== null && process !== null) this.#position[node.name] = { process, ...at };
    this.#shares.set(node.name, share);
    const sum = [...this.#shares.values()].reduce((one, other) => one + other, 0);
    this.#report?.({ ...this.#position }, sum / this.#shares.size);
  }

  #goodFor({ process }: MasterNode): string | null {
    return process === null ? null : process + this.#slots;
  }
}

/** Where a node stands at a cursor. @param until Where the second look ends; undefined in the first one, whose end may have a second to come. */
export function positionAt(cursor: string, until: string | undefined): Omit<NodePosition, "process"> | null {
  if (until === undefined) return cursor === "0" ? null : { cursor };
  return cursor === "0" || isPast(cursor, until) ? { cursor: END } : { cursor, until };
}

/** Cursors count with their bits in reverse order. @returns True when a cursor has come as far as another. */
export function isPast(cursor: string, other: string): boolean {
  return reversed(cursor) >= reversed(other);
}

function reversed(cursor: string): bigint {
  return BigInt(`0b${[...BigInt(cursor).toString(2).padStart(64, "0")].reverse().join("")}`);
}
