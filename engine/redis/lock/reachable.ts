/**
 * Asks Redis with a little patience: a restart or a failover may be under way.
 *
 * @module
 */

import { StoreUnreachableError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { toStoreError, toToldError } from "../errors.ts";

/** How long an answer is waited for, in milliseconds. */
const PATIENCE_MS = 3000;

/** Pause between two tries in milliseconds. */
const PAUSE_MS = 100;

/**
 * Tries until Redis answers, for a few seconds.
 *
 * @param action What is tried, as in "Cannot take the lock".
 * @param last What the connection failed with last, or null.
 * @throws {StoreUnreachableError} When no answer came.
 * @throws {StoreDeniedError} When the credentials or rights do not suffice.
 */
export async function reachable<T>(
  action: string,
  last: () => Error | null,
  attempt: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      const told = toStoreError(error, action, last());
      if (!(told instanceof StoreUnreachableError) || performance.now() >= deadline) {
        throw toToldError(told, action);
      }
      await pause(PAUSE_MS);
    }
  }
}
