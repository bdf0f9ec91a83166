/**
 * The short answer: how far each store is, what is pending, who is at work.
 *
 * @module
 */

import { perSqlStore } from "./stores.ts";
import type { SqlPrepared } from "./sql/sql_prepared.ts";
import type { SqlState } from "./sql_backend.ts";
import type { LockOwner } from "./lock/lock.ts";
import type { SqlActivity } from "./sql/activity.ts";
import { isPending, type PerSqlStore } from "./migration.ts";
import type { PendingCounts, State, UnreadStore } from "./state.ts";

/** How far a SQL store is. */
export interface SqlStatus {
  /** The version reached, 0 for none. */
  readonly version: number;
  /** The highest version that this program knows. */
  readonly latest: number;
  /** True when another tool failed in the middle of `version`. */
  readonly dirty: boolean;
  /** True when the database is at a version that this program does not know: nothing is pending then. */
  readonly ahead: boolean;
  /** Changed, missing, unknown or out-of-order applied steps, one sentence each. */
  readonly drift: readonly string[];
  /** Absent where nothing is prepared. */
  readonly prepared?: SqlPrepared;
}

/** How far everything is. A store that the engine was not given is null. */
export interface Status extends PerSqlStore<SqlStatus> {
  /** Migrations that are applied or not applicable, of all there are. */
  readonly redis: {
    readonly applied: number;
    readonly total: number;
    /** True where older tools recorded some of that, which `init` and `apply` take over once it is found true; else absent. */
    readonly adoptable?: true;
  } | null;
  /** How many keep a server from starting. */
  readonly pending: PendingCounts;
  /** Null when nobody holds it; `alive` tells whether its holder is. */
  readonly lock: LockOwner | null;
  /** What the holder does in Postgres at this moment; null when nobody is at work there. */
  readonly activity: SqlActivity | null;
  /** Stores whose bookkeeping somebody holds, where that was allowed: they count for nothing in `pending`. */
  readonly unread?: readonly UnreadStore[];
}

/** Sums up what was read. */
export function makeStatus(
  { sql, redis, entries, pending, lock, unread }: State,
  activity: SqlActivity | null = null,
): Status {
  const ofRedis = entries.filter((entry) => entry.store === "redis");
  return {
    ...perSqlStore(new Map([...sql].map(([store, found]) => [store, sqlStatus(found)]))),
    redis: redis === null ? null : {
      applied: ofRedis.filter((entry) => !isPending(entry.status)).length,
      total: ofRedis.length,
      ...(redis.adoptable ? { adoptable: true } : {}),
    },
    pending,
    lock,
    activity,
    ...(unread.length === 0 ? {} : { unread }),
  };
}

function sqlStatus({ version, latest, dirty, ahead, drift, prepared }: SqlState): SqlStatus {
  return { version, latest, dirty, ahead, drift, ...(prepared === undefined ? {} : { prepared }) };
}
