/**
 * The shapes of what is so at this moment: stores, lock, what is at work.
 *
 * @module
 */

import type { LockOwner } from "../../engine/lock/lock.ts";
import { type PerSqlStore, SQL_STORES, typeOf } from "../../engine/migration.ts";
import type { SqlActivity } from "../../engine/sql/activity.ts";
import type { SqlPrepared } from "../../engine/sql/sql_prepared.ts";
import type { PendingCounts, UnreadStore } from "../../engine/state.ts";
import type { SqlStatus, Status } from "../../engine/status.ts";
import { ownerText } from "../render/owner.ts";

/** RFC 3339 in UTC. */
export const time = (date: Date | null): string | null => date?.toISOString() ?? null;

/** `outpost migrate status --json` */
export function statusJson(status: Status) {
  const { redis, pending, lock, activity, unread } = status;
  return {
    ...perSqlStoreJson(status, sqlStatusJson),
    redis: redis === null
      ? null
      : { applied: redis.applied, total: redis.total, ...(redis.adoptable ? { adoptable: true } : {}) },
    ...pendingJson(pending, unread),
    lock: lockJson(lock),
    activity: activityJson(activity),
  };
}

/** What there is to say of each SQL store, by what it is called in JSON; null for a store that is not looked at. */
export function perSqlStoreJson<T, Json>(by: PerSqlStore<T>, write: (found: T) => Json) {
  return Object.fromEntries(SQL_STORES.map((store) => {
    const found = by[store];
    return [typeOf(store), found === null ? null : write(found)];
  })) as Readonly<Record<Exclude<ReturnType<typeof typeOf>, "redis">, Json | null>>;
}

/** What is pending where a store could not be read is not known. */
export function pendingJson({ sql, redis }: PendingCounts, unread: readonly UnreadStore[] | undefined) {
  return {
    pending: { sql: unread === undefined ? sql : null, redis },
    ...(unread === undefined
      ? {}
      : { unread: unread.map(({ store, message }) => ({ type: typeOf(store), message })) }),
  };
}

function sqlStatusJson({ version, latest, dirty, ahead, prepared }: SqlStatus) {
  return {
    version,
    latest,
    dirty,
    ahead,
    ...(prepared === undefined ? {} : { prepared: preparedJson(prepared) }),
  };
}

/** What is prepared; the key is absent where nothing is. */
export function preparedJson({ since, ...prepared }: SqlPrepared) {
  return { ...prepared, versions: [...prepared.versions], since: time(since) };
}

/** What a SQL step does at this moment, or null. */
export function activityJson(activity: SqlActivity | null) {
  if (activity === null) return null;
  const { pid, statement, since, waitsFor, work } = activity;
  return {
    pid,
    statement,
    since: time(since),
    waits_for: waitsFor.map((wait) => ({
      pid: wait.pid,
      application: wait.application,
      user: wait.user,
      since: time(wait.since),
    })),
    work: work === null ? null : { phase: work.phase, done: work.done, total: work.total, unit: work.unit },
  };
}

/** The lock: always an object, its other fields null when nobody holds it. */
export function lockJson(owner: LockOwner | null) {
  return {
    held: owner !== null,
    owner: owner === null ? null : ownerText(owner),
    command: owner?.command ?? null,
    migration: owner?.migration ?? null,
    acquired_at: time(owner?.acquiredAt ?? null),
    heartbeat_at: time(owner?.heartbeatAt ?? null),
    alive: owner?.alive ?? null,
  };
}

/** `outpost migrate unlock --json` */
export function unlockJson(cleared: readonly string[], owner: LockOwner | null) {
  return { cleared: [...cleared], lock: lockJson(owner) };
}
