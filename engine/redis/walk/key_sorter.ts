/**
 * Hands each key of a walk to the parts that it belongs to, batch by batch. Where there are several, or nodes, a part's keys are held
 * back until they fill a batch: a page that holds one key of each of a thousand would else be a thousand commands.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { WalkPart } from "./part.ts";
import { literalStart, matcherOf } from "./pattern.ts";

/** With so many keys held back, whosever they are, the larger half of the batches go as they are. */
const HELD = 100_000;

/** A part, and which keys are its own. */
interface Own {
  readonly part: WalkPart;
  readonly matches: (key: Binary) => boolean;
  held: Binary[];
}

/** Sorts the keys of one node. */
export class KeySorter {
  readonly #all: readonly Own[];
  /** By what all keys of a part begin with: of a thousand parts only a few have to be asked about a key. */
  readonly #byStart = new Map<string, Own[]>();
  readonly #lengths: readonly number[];
  readonly #spread: boolean;
  #held = 0;

  /** @param spread A batch is spread over the nodes of a cluster, so that its commands are short anyway. */
  constructor(parts: readonly WalkPart[], spread = false) {
    this.#spread = spread;
    this.#all = parts.map((part) => {
      const { pattern } = part.options;
      const own: Own = { part, matches: matcherOf(pattern), held: [] };
      const start = literalStart(pattern);
      const known = this.#byStart.get(start);
      if (known === undefined) this.#byStart.set(start, [own]);
      else known.push(own);
      return own;
    });
    this.#lengths = [...new Set([...this.#byStart.keys()].map((start) => start.length))];
  }

  /** Takes in a page of keys. */
  add(keys: readonly Binary[]): void {
    const [only, ...others] = this.#all;
    if (others.length === 0) return this.#hold(only!, keys); // The server has matched them.
    for (const key of keys) {
      for (const length of this.#lengths) {
        for (const own of this.#byStart.get(key.slice(0, length)) ?? []) {
          if (own.matches(key)) this.#hold(own, [key]);
        }
      }
    }
  }

  /**
   * Gives out what is to be visited now.
   *
   * @param size Keys in a batch at most, asked before each.
   * @param last True when no more keys come.
   */
  *batches(size: () => number, last: boolean): Iterable<readonly [part: WalkPart, keys: readonly Binary[]]> {
    const rest = last || (this.#all.length === 1 && !this.#spread);
    const mean = this.#held / this.#all.length;
    const least = () => rest ? 1 : this.#held > HELD ? Math.min(mean, size()) : size();
    for (const own of this.#all) {
      while (own.held.length >= least()) {
        const keys = own.held.slice(0, size());
        own.held = own.held.slice(keys.length);
        this.#held -= keys.length;
        yield [own.part, keys];
      }
    }
  }

  #hold(own: Own, keys: readonly Binary[]): void {
    if (own.part.isOver) return;
    const { isDone } = own.part.options;
    const before = own.held.length;
    for (const key of keys) if (isDone?.(key) !== true) own.held.push(key);
    this.#held += own.held.length - before;
  }
}
