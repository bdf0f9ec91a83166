/**
 * How often and how long a step waits for others before it gives up.
 *
 * @module
 */

import type { SqlRunOptions } from "../sql_backend.ts";
import { pause } from "../pause.ts";

/** How one wait is limited. */
export interface Wait {
  /** Waits of the step before this one, at most. */
  readonly limit: number;
  /** What would be lost, in milliseconds of work: at least for so long the step waits, however often. @default {0} */
  readonly workMs?: number;
  /** Asked now and then: true ends the wait early. */
  readonly over?: () => Promise<boolean>;
}

/** Counts retries over a whole step and waits before each. */
export class Patience {
  readonly #retries: number;
  readonly #options: Pick<SqlRunOptions, "signal" | "onRetry">;
  #used = 0;
  #waitedMs = 0;

  constructor(retries: number, options: Pick<SqlRunOptions, "signal" | "onRetry">) {
    this.#retries = retries;
    this.#options = options;
  }

  /** Waits, and returns true; or false when nothing is left to wait. */
  async again(reason: string, { limit, workMs = 0, over }: Wait): Promise<boolean> {
    const { signal, onRetry } = this.#options;
    if (signal.aborted) return false;
    if (this.#used >= Math.min(limit, this.#retries) && this.#waitedMs >= workMs) return false;
    this.#used++;
    const waitMs = backoffMs(this.#used);
    onRetry?.(this.#used, waitMs, reason);
    const begun = performance.now();
    const left = () => waitMs - (performance.now() - begun);
    do {
      await pause(Math.min(LOOK_MS, left()), signal);
    } while (!signal.aborted && left() > 0 && await over?.() !== true);
    this.#waitedMs += performance.now() - begun;
    return !signal.aborted;
  }
}

/** How often it is asked whether a wait is over, in milliseconds. */
const LOOK_MS = 100;

/** 100 ms, doubled each time up to 10 s, of which a random half is taken off: pods do not try in step. */
function backoffMs(attempt: number): number {
  const full = Math.min(100 * 2 ** (attempt - 1), 10_000);
  return Math.round(full / 2 + Math.random() * full / 2);
}
