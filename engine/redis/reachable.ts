/**
 * Tells a Redis that cannot be reached, or that refuses, from one that answers.
 *
 * @module
 */

import { LockLostError, StoreDeniedError, StoreUnreachableError } from "../errors.ts";

/** How long a first answer is waited for in milliseconds: a restart or a failover may be under way. */
const PATIENCE_MS = 3000;

/** Pause between two tries in milliseconds. */
const PAUSE_MS = 100;

/** Code words of replies that end by themselves. */
const TRANSIENT = new Set(["LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"]);

/** Code words of replies that say who or what is not allowed. */
const DENIED = new Set(["NOAUTH", "WRONGPASS", "NOPERM"]);

/**
 * Asks Redis, again for a few seconds while no answer comes.
 *
 * @throws {StoreUnreachableError} When none came.
 * @throws {StoreDeniedError} When the credentials or rights do not suffice.
 */
export async function reachable<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      const code = replyCode(error);
      if (error instanceof LockLostError || (code !== null && !TRANSIENT.has(code) && !DENIED.has(code))) {
        throw error;
      }
      if (code !== null && DENIED.has(code)) {
        throw new StoreDeniedError("redis", `Redis refuses the lock's commands: ${code}`, {
          cause: error,
          hint:
            "Check the user, its password and its rights: the lock needs GET, SET, DEL, PTTL, PEXPIRE and EVAL",
        });
      }
      if (performance.now() >= deadline) {
        throw new StoreUnreachableError("redis", "Cannot reach Redis to take the lock", { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** The leading code word of an error that Redis replied, or null when there was no reply. */
function replyCode(error: unknown): string | null {
  if (!(error instanceof Error) || error.name !== "ReplyError") return null;
  return error.message.split(" ", 1)[0] ?? "";
}
