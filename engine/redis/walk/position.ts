/**
 * Where a walk over the keyspace stands, so that a later run can go on from there.
 *
 * @module
 */

import { checksumOf } from "../../checksum.ts";
import type { MasterNode, Topology } from "../topology.ts";

/** Where the walk over a node stands. */
export interface NodePosition {
  /** The process that the cursors are good for. */
  readonly process: string;
  /** The cursor up to which every batch is done. */
  readonly cursor: string;
  /** Set in the second look, which an interrupted run takes at what it had passed before. */
  readonly again?: true;
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

/** Where a node stands at a cursor. @param again In the second look; after the first one, a second may have to come. */
export function positionAt(cursor: string, again: boolean): Omit<NodePosition, "process"> | null {
  if (again) return cursor === "0" ? { cursor: END } : { cursor, again: true };
  return cursor === "0" ? null : { cursor };
}
