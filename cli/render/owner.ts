/**
 * Says who holds the lock.
 *
 * @module
 */

import type { LockOwner } from "../../engine/lock/lock.ts";
import { formatAge } from "../output/format.ts";

/** `db-1 (pid 4711, outpost 0.1.0)`, as far as it is known. */
export function ownerText({ host, pid, version, source }: LockOwner): string {
  const known = [
    ...(pid === null ? [] : [`pid ${pid}`]),
    ...(version === null ? [] : [`outpost ${version}`]),
  ];
  const name = host ?? `another tool, seen as ${source}`;
  return known.length === 0 ? name : `${name} (${known.join(", ")})`;
}

/** What the holder is doing: `apply, redis/002_timestamps, 1200 of 3000 records`; empty when unknown. */
export function activityText({ command, migration, progress }: LockOwner): string {
  return [command, migration, progress].filter((part) => part !== null && part !== "").join(", ");
}

/** `since 4 s ago, last heartbeat 1 s ago`, as far as it is known. */
export function ageText({ acquiredAt, heartbeatAt }: LockOwner, now: Date): string {
  return [
    ...(acquiredAt === null ? [] : [`taken ${formatAge(acquiredAt, now)}`]),
    ...(heartbeatAt === null ? [] : [`last heartbeat ${formatAge(heartbeatAt, now)}`]),
  ].join(", ");
}
