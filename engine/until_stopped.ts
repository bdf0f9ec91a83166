/**
 * Waiting that ends when the caller wants to stop.
 *
 * @module
 */

import { InterruptedError, type MigrationErrorOptions } from "./errors.ts";

/** What holds when the wait is given up. */
export interface GivenUp extends MigrationErrorOptions {
  readonly message: string;
  /** How long after the signal, in milliseconds. */
  readonly afterMs: number;
}

/** Waits for work. What becomes of work that is left is nobody's concern. @throws {InterruptedError} When it is given up. */
export async function untilStopped<T>(
  signal: AbortSignal,
  work: Promise<T>,
  { message, afterMs, ...options }: GivenUp,
): Promise<T> {
  let reject: (error: Error) => void;
  const promise = new Promise<never>((_, refuse) => reject = refuse); // Node 20 has no Promise.withResolvers().
  let timer: ReturnType<typeof setTimeout> | undefined;
  const giveUp = () => reject(new InterruptedError(message, options));
  const stop = () => {
    if (afterMs === 0) giveUp();
    else timer = setTimeout(giveUp, afterMs);
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    work.catch(() => {});
  }
}

/** How a call is stopped that takes no lock. */
export interface StopOptions {
  /** Ends a walk over records after the batch in hand; a store that does not answer is waited for five seconds more. */
  readonly signal?: AbortSignal | undefined;
}

/** How long reading may take to come to an end by itself once the signal has fired, in milliseconds: a batch takes a moment. */
const READING_MS = 5000;

/**
 * Waits for what only reads: a store that does not answer, whatever patience its client has, is left then.
 *
 * @throws {InterruptedError} When it is left.
 */
export async function readUntilStopped<T>(signal: AbortSignal | undefined, reading: Promise<T>): Promise<T> {
  if (signal === undefined) return await reading;
  return await untilStopped(signal, reading, {
    message: "Stopped without waiting any longer for a store that does not answer",
    hint: "Run the same command again: it continues where this one stopped",
    afterMs: READING_MS,
  });
}
