/**
 * What one run wants of a walk over the keyspace. A walk has one part, or the parts of several runs at once; each has its own end:
 * one that fails or is stopped leaves the others at work.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { type BatchSize, throwIfAborted } from "./pacing.ts";

/** What a run visits and how. */
export interface WalkOptions {
  /** SCAN pattern of the keys. */
  readonly pattern: Binary;
  /** True for keys that are not to be visited though they match. */
  readonly isDone?: ((key: Binary) => boolean) | undefined;
  readonly signal: AbortSignal;
  /** Records a second at most, on all nodes together. Of several that share a walk the slowest holds. */
  readonly maxRate?: number | undefined;
  readonly batchSize?: number | undefined;
  /**
   * Handles a batch of keys. A key may come more than once. The size of batches adapts to what is measured with `size`.
   */
  readonly visit: (keys: readonly Binary[], size: BatchSize) => Promise<void>;
  /** Told, after each batch, of the share of the walk that is done, 0 to 1. */
  readonly onStep?: ((share: number) => void) | undefined;
}

/** A run's part in a walk. */
export class WalkPart {
  readonly options: WalkOptions;
  /** Ends as this part does, once none of its batches is in flight. */
  readonly done: Promise<void>;
  #resolve = () => {};
  #reject: (error: unknown) => void = () => {};
  #flying = 0;
  #failure: { readonly error: unknown } | null = null;
  #ended = false;
  #onOver = () => {};
  readonly #abort = () => this.#lookWhetherOver();

  constructor(options: WalkOptions) {
    this.options = options;
    this.done = new Promise((resolve, reject) => [this.#resolve, this.#reject] = [resolve, reject]);
    this.done.catch(() => {}); // Whoever began the part awaits it, if late.
    options.signal.addEventListener("abort", this.#abort, { once: true });
    this.#lookWhetherOver();
  }

  /** True once it failed, was stopped or came to its end: it is to be shown nothing more. */
  get isOver(): boolean {
    return this.#ended || this.#failure !== null || this.options.signal.aborted;
  }

  /** @param onOver Called once, when it is over or if it is already. */
  watch(onOver: () => void): void {
    this.#onOver = onOver;
    this.#lookWhetherOver();
  }

  /** Shows a batch. */
  async visit(keys: readonly Binary[], size: BatchSize): Promise<void> {
    if (this.isOver) return;
    this.#flying++;
    try {
      await this.options.visit(keys, size);
    } finally {
      this.#flying--;
      this.#lookWhetherOver();
    }
  }

  /** Ends this part alone. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#lookWhetherOver();
  }

  /** The walk came to its end. @param failure What it failed with, for all. */
  end(failure: { readonly error: unknown } | null): void {
    this.#ended = true;
    if (!this.options.signal.aborted) this.#failure ??= failure;
    this.#lookWhetherOver();
  }

  #lookWhetherOver(): void {
    if (!this.isOver) return;
    this.#onOver();
    this.#onOver = () => {};
    if (this.#flying > 0) return;
    this.options.signal.removeEventListener("abort", this.#abort);
    if (this.#failure !== null) return this.#reject(this.#failure.error);
    try {
      throwIfAborted(this.options.signal);
      this.#resolve();
    } catch (error) {
      this.#reject(error);
    }
  }
}
