/**
 * How fast records or rows may be handled.
 *
 * @module
 */

import { pause } from "./pause.ts";

/** Lets records pass at a given rate. */
export class RateLimit {
  readonly #perSecond: number | undefined;
  readonly #signal: AbortSignal;
  #freeAt = 0;

  /** @param perSecond Records a second, or undefined for no limit. */
  constructor(perSecond: number | undefined, signal: AbortSignal) {
    this.#perSecond = perSecond;
    this.#signal = signal;
  }

  /** Waits until so many more records may be handled; returns at once when the signal has fired. */
  async take(records: number): Promise<void> {
    if (this.#perSecond === undefined) return;
    const now = performance.now();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + (records / this.#perSecond) * 1000;
    await pause(start - now, this.#signal);
  }
}
