/**
 * What all commands that take the lock tell their user: whom they wait for, and that they are about to stop.
 *
 * @module
 */

import type { LockOptions } from "../../engine/lock/lock.ts";
import type { Pace } from "../../engine/migration.ts";
import type { Context } from "../context.ts";
import { formatDuration } from "../output/format.ts";
import { activityText, ownerText } from "../render/owner.ts";

/** How a command of this context takes the lock. */
export function lockOptions(context: Context): LockOptions {
  const { log, progress, settings, signal, host } = context;
  const announce = () =>
    log.warn(
      `${host.stoppedBy() ?? "Stop"}: stopping after the batch in hand; press once more to end at once`,
      {
        event: "stopping",
      },
    );
  if (!signal.aborted) signal.addEventListener("abort", announce, { once: true });
  return {
    signal,
    waitMs: settings.lockWaitMs,
    onWait(owner, waitedMs) {
      if (settings.lockWaitMs === 0) return;
      const who = owner === null ? "somebody" : ownerText(owner);
      const doing = owner === null ? "" : activityText(owner);
      progress.say(
        `Waiting for the lock of ${who}${doing === "" ? "" : `, ${doing}`}; ${
          formatDuration(waitedMs)
        } of at most ${formatDuration(settings.lockWaitMs)}`,
        { event: "waiting", owner: who, waited_ms: Math.round(waitedMs) },
      );
    },
  };
}

/** Says that a table is in somebody's hands, and when it is tried for again. */
export function tellRetry(
  log: Context["log"],
  { id, attempt, waitMs, reason }: { id: string; attempt: number; waitMs: number; reason: string },
): void {
  log.warn(`${id}: ${reason}; attempt ${attempt}, again in ${formatDuration(waitMs)}`, {
    ...{ event: "retry", migration: id, attempt, wait_ms: waitMs },
  });
}

/** The options that set the pace of a walk over Redis records. */
export function paceOf({ settings }: Context): Pace {
  return { maxRate: settings.maxRate ?? undefined, batchSize: settings.batchSize ?? undefined };
}
