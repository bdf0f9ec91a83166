/**
 * Waiting that ends when the user wants to stop.
 *
 * @module
 */

import { InterruptedError, type MigrationErrorOptions } from "../engine/errors.ts";

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
  const { promise, reject } = Promise.withResolvers<never>();
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
