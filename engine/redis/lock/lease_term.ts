/**
 * How long a lease holds, by a clock that nobody sets, and that it is lost.
 *
 * @module
 */

import { LockLostError } from "../../errors.ts";

/** Counts from when the command was sent that took or prolonged the lease last. What is lost stays so. */
export class LeaseTerm {
  readonly #lengthMs: number;
  readonly #onLost: (error: LockLostError, silent: boolean) => void;
  #validUntil = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lost: LockLostError | null = null;
  #silent = false;
  #ended = false;

  /** @param onLost Told of the loss, as soon as the time is over or somebody finds out; `silent` where the time alone tells so. */
  constructor(lengthMs: number, onLost: (error: LockLostError, silent: boolean) => void) {
    this.#lengthMs = lengthMs;
    this.#onLost = onLost;
  }

  /** True where it was lost because Redis said nothing for a whole lease. */
  get silent(): boolean {
    return this.#silent;
  }

  /** It was taken or prolonged. @param sentAt When the command was sent, as `performance.now()` tells it. */
  begin(sentAt: number): void {
    this.#validUntil = sentAt + this.#lengthMs;
    clearTimeout(this.#timer);
    if (this.#ended) return;
    this.#timer = setTimeout(() => {
      try {
        this.throwIfLost();
      } catch {
        // The loss was told to `onLost`; nobody waits here.
      }
    }, this.#validUntil - performance.now());
  }

  /** @throws {LockLostError} When it is lost. */
  throwIfLost(): void {
    if (this.#lost !== null) throw this.#lost;
    if (performance.now() >= this.#validUntil) {
      this.#lose(`no heartbeat reached Redis for ${this.#lengthMs} ms`, true);
    }
  }

  /** Redis says that it is not ours any more. @throws {LockLostError} Always. */
  lose(reason: string): never {
    this.#lose(reason, false);
  }

  /** It is given back: nobody waits for its end any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #lose(reason: string, silent: boolean): never {
    if (this.#lost === null) this.#silent = silent;
    this.#lost ??= new LockLostError(`Lost the lock: ${reason}`, {
      hint: "Run the same command again: it continues where this one stopped",
    });
    clearTimeout(this.#timer);
    this.#onLost(this.#lost, this.#silent);
    throw this.#lost;
  }
}
