/**
 * Runs over the same Redis that walk together: each goes its own way until it needs the keyspace, and when all of them do, one walk
 * serves them. A run by itself is a group of one, which waits for nobody.
 *
 * @module
 */

import type { WalkPart } from "./part.ts";

/** Begins a walk for all these parts, and ends each. */
type Begin = (parts: readonly WalkPart[]) => void;

/** The runs, by whatever stands for each. */
export class WalkGroup {
  /** Those who are waited for. */
  readonly #present = new Set<object>();
  #waiting: { readonly member: object; readonly part: WalkPart; readonly begin: Begin }[] = [];

  /** How many are at work, at least one. */
  get size(): number {
    return Math.max(1, this.#present.size);
  }

  /** From now on others wait for this run before they walk. */
  enter(member: object): void {
    this.#present.add(member);
  }

  /** It ended, or will not walk for a while. */
  leave(member: object): void {
    this.#present.delete(member);
    this.#beginIfAll();
  }

  /** Leaves for as long as it waits for something itself, such as a lock. @returns Goes back to where it was. */
  stepAside(member: object): () => void {
    if (!this.#present.has(member)) return () => {};
    this.leave(member);
    return () => this.enter(member);
  }

  /** Takes part in the next walk. Ends as the part does. */
  async walk(member: object, part: WalkPart, begin: Begin): Promise<void> {
    this.#waiting.push({ member, part, begin });
    this.#beginIfAll();
    await part.done;
  }

  #beginIfAll(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#waiting.length < this.#present.size) return;
    const members = new Set(this.#waiting.map(({ member }) => member));
    for (const member of this.#present) if (!members.has(member)) return;
    const parts = this.#waiting.map(({ part }) => part);
    this.#waiting = [];
    first.begin(parts);
  }
}
