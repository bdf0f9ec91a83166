/**
 * Waits for work that is done under the lock, and stops waiting when the lock is lost.
 *
 * @module
 */

import type { HeldLock } from "./lock.ts";

/** How long work may take to notice that the lock is lost and to end by itself, in milliseconds. */
const GRACE_MS = 5000;

/**
 * Waits for work, but after a loss only for a moment: a client may wait for ever for the answer to a command that was under
 * way when its server went away, and the run must end and say why. Nothing is risked by leaving the work behind, for
 * whatever it still sends is refused. A step that may come to its end without Redis is waited for.
 *
 * @param graceMs How long the work may take to end after the loss, in milliseconds.
 * @returns What the work returns.
 * @throws {LockLostError} When the lock is lost and the work does not end in time. Else what the work throws.
 */
export async function untilLost<T>(lock: HeldLock, work: Promise<T>, graceMs: number = GRACE_MS): Promise<T> {
  const { signal } = lock;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onLost = () => {};
  let over = false;
  const lost = new Promise<never>((_, reject) => {
    onLost = async () => {
      await lock.stepOver();
      if (!over) timer = setTimeout(() => reject(signal.reason), graceMs);
    };
    if (signal.aborted) onLost();
    else signal.addEventListener("abort", onLost, { once: true });
  });
  try {
    return await Promise.race([work, lost]);
  } finally {
    over = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onLost);
  }
}
