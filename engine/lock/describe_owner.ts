/**
 * Who holds the lock, in one sentence for people.
 *
 * @module
 */

import type { LockOwner } from "./lock.ts";

/**
 * Describes a holder: what is known of command, migration, process, version and times, and where the lock was seen.
 *
 * @returns For example `apply of redis/002_timestamps (40%) on host web-1, process 12, version 1.2.0, holds it since
 * 2025-01-01T10:00:00.000Z, last heartbeat 2025-01-01T10:05:00.000Z (outpost:migration:lock)`.
 */
export function describeOwner(owner: LockOwner): string {
  const work = [owner.command ?? "another tool", owner.migration === null ? "" : ` of ${owner.migration}`];
  if (owner.progress !== null) work.push(` (${owner.progress})`);
  if (owner.host !== null) work.push(` on host ${owner.host}`);
  if (owner.pid !== null) work.push(`, process ${owner.pid}`);
  if (owner.version !== null) work.push(`, version ${owner.version}`);
  work.push(work.length > 2 || owner.migration !== null ? ", holds it" : " holds it");
  if (owner.acquiredAt !== null) work.push(` since ${owner.acquiredAt.toISOString()}`);
  if (owner.heartbeatAt !== null) work.push(`, last heartbeat ${owner.heartbeatAt.toISOString()}`);
  if (!owner.alive) work.push(", which is too long ago");
  return `${work.join("")} (${owner.source})`;
}
