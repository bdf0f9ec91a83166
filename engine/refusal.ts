/**
 * Refuses to begin while something is in the way.
 *
 * @module
 */

import type { Blocker } from "./blocker.ts";
import { joinHints } from "./hint.ts";
import { BlockedError, StoreDeniedError } from "./errors.ts";

/** What to throw for obstacles: where nothing but rights are missing, a store refuses. */
export function refusalFor(
  action: "apply" | "prepare",
  blockers: readonly Blocker[],
): BlockedError | StoreDeniedError {
  const blocked = new BlockedError(action, blockers);
  if (blockers.some(({ kind }) => kind !== "rights" && kind !== "ownership")) return blocked;
  const hint = joinHints(blockers.map(({ hint, parts }) => parts ?? hint));
  return new StoreDeniedError(blockers[0]!.store, blocked.message, { hint });
}
