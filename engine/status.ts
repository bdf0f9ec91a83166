/**
 * The short answer: how far each store is, what is pending, who is at work.
 *
 * @module
 */

import type { SqlState } from "./backend.ts";
import type { LockOwner } from "./lock/lock.ts";
import { isPending } from "./migration.ts";
import type { Backends, PendingCounts, State } from "./state.ts";

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
}

/** How far everything is. A store that the engine was not given is null. */
export interface Status {
  /** Postgres, under the name that its steps have: `sql/000005`. */
  readonly sql: SqlStatus | null;
  /** ClickHouse, which counts as SQL in `pending`. */
  readonly clickhouse: SqlStatus | null;
  /** Migrations that are applied or not applicable, of all there are. */
  readonly redis: { readonly applied: number; readonly total: number } | null;
  /** How many keep a server from starting. */
  readonly pending: PendingCounts;
  /** Null when nobody holds it; `alive` tells whether its holder is. */
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
