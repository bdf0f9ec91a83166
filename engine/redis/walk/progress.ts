/**
 * Turns how far a walk is into totals, rates and time left.
 *
 * @module
 */

import type { Progress } from "../../migration.ts";
import type { Tally } from "./tally.ts";

/** The rate is taken over this long. */
const WINDOW_MS = 5000;
/** Told at most this often. */
const INTERVAL_MS = 200;
/** Below this share of the walk, what is left cannot be told. */
const FIRST_SHARE = 0.01;

/** Reports on one run. */
export class ProgressReporter {
  readonly #id: string;
  readonly #tally: Tally;
  readonly #tell: ((progress: Progress) => void) | undefined;
  readonly #samples: { readonly at: number; readonly seen: number }[] = [];
  #toldAt = -Infinity;

  constructor(id: string, tally: Tally, tell: ((progress: Progress) => void) | undefined) {
    this.#id = id;
    this.#tally = tally;
    this.#tell = tell;
    this.#samples.push({ at: performance.now(), seen: 0 });
  }

  /** @param share How much of the walk is done, 0 to 1. */
  step(share: number): void {
    const now = performance.now();
    if (this.#tell === undefined || now - this.#toldAt < INTERVAL_MS) return;
    this.#report(now, share);
  }

  /** The walk is over: the total is known. */
  finish(): void {
    if (this.#tell !== undefined) this.#report(performance.now(), 1);
  }

  #report(now: number, share: number): void {
    this.#toldAt = now;
    const { processed, failed, skipped, seen } = this.#tally;
    this.#samples.push({ at: now, seen });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const ratePerSecond = Math.round((seen - first.seen) / Math.max(0.001, (now - first.at) / 1000));
    const total = share >= 1 ? seen : share < FIRST_SHARE ? null : Math.max(seen, Math.round(seen / share));
    const remainingMs = total === null || ratePerSecond === 0
      ? null
      : Math.round(((total - seen) / ratePerSecond) * 1000);
    this.#tell?.({ id: this.#id, processed, failed, skipped, total, ratePerSecond, remainingMs });
  }
}
