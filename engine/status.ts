/**
 * The short answer: how far each store is, what is pending, who is at work.
 *
 * @module
 */

import type { SqlState } from "./backend.ts";
import type { LockOwner } from "./lock.ts";
import { isPending } from "./migration.ts";
import type { Backends, PendingCounts, State } from "./state.ts";

/** How far a SQL store is. */
export interface SqlStatus {
  readonly version: number;
  readonly latest: number;
  readonly dirty: boolean;
  readonly ahead: boolean;
  /** Changed, missing, unknown or out-of-order applied steps, one sentence each. */
  readonly drift: readonly string[];
}

/** How far everything is. A store that the engine was not given is null. */
export interface Status {
  readonly sql: SqlStatus | null;
  readonly clickhouse: SqlStatus | null;
  readonly redis: { readonly applied: number; readonly total: number } | null;
  readonly pending: PendingCounts;
  readonly lock: LockOwner | null;
}

/** Sums up what was read. */
export function makeStatus(backends: Backends, state: State): Status {
  const of = (kind: "sql" | "clickhouse") => {
    const index = backends.sql.findIndex((backend) => backend.kind === kind);
    const found = state.sql[index];
    return found === undefined ? null : sqlStatus(found);
  };
  const redis = state.entries.filter((entry) => entry.kind === "redis");
  return {
    sql: of("sql"),
    clickhouse: of("clickhouse"),
    redis: state.redis === null
      ? null
      : { applied: redis.filter((entry) => !isPending(entry.status)).length, total: redis.length },
    pending: state.pending,
    lock: state.lock,
  };
}

function sqlStatus({ version, latest, dirty, ahead, drift }: SqlState): SqlStatus {
  return { version, latest, dirty, ahead, drift };
}
