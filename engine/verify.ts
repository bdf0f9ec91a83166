/**
 * Proves that what is applied is true.
 *
 * @module
 */

import type { RedisVerification } from "./redis_backend.ts";
import type { SqlVerification } from "./sql_backend.ts";
import { isPending, type PerSqlStore, type StoreName } from "./migration.ts";
import { placesOf, type PlannedStore } from "./plan.ts";
import { resolveId } from "./resolve_id.ts";
import type { State } from "./state.ts";
import { askEach, perSqlStore, type Stores } from "./stores.ts";
import type { StopOptions } from "./until_stopped.ts";

/** How {@linkcode Engine.verify} looks. */
export interface VerifyOptions extends StopOptions {
  /** Loose IDs; undefined or empty for everything. */
  readonly ids?: readonly string[] | undefined;
  /** Checks every record instead of a random sample. @default {false} */
  readonly full?: boolean | undefined;
  /** Size of the random sample, in tenants or whatever unit a migration has. @default {20} */
  readonly sample?: number | undefined;
}

/** What was found: of a SQL store schema, checksums and bookkeeping. What the engine was not given, or no ID named, is null or empty. */
export interface VerifyResult extends PerSqlStore<SqlVerification> {
  /** True when no store has an issue; what is pending is one. */
  readonly ok: boolean;
  /** The stores that were looked at. */
  readonly stores: readonly PlannedStore[];
  /** One for each that was asked for and is applicable here, in order. */
  readonly redis: readonly RedisVerification[];
}

/** Verifies. What is pending cannot be verified, and is an issue. */
export async function verify(
  stores: Stores,
  state: State,
  { ids = [], full = false, sample = 20, signal }: VerifyOptions,
): Promise<VerifyResult> {
  const named = ids.map((id) => resolveId(id, state.entries));
  const wants = (store: StoreName) => ids.length === 0 || named.some((entry) => entry.store === store);
  const sql = await askEach(stores.sql, async (backend, name) => wants(name) ? await backend.verify() : null);
  const chosen = (ids.length === 0 ? state.entries : named).filter(({ store }) => store === "redis");
  const ready = chosen.filter(({ status }) => status === "applied").map(({ id }) => id);
  const checked = stores.redis === null || ready.length === 0
    ? []
    : await stores.redis.verify(ready, { full, sample, signal: signal ?? new AbortController().signal });
  const redis = chosen.filter(({ status }) => status !== "not_applicable").map((entry) =>
    checked.find(({ id }) => id === entry.id) ?? {
      id: entry.id,
      valid: !isPending(entry.status),
      checksRun: 0,
      checksPassed: 0,
      accepted: 0,
      undecided: 0,
      issues: [`It is ${entry.status}: what is not applied cannot be verified`],
    }
  );
  return {
    ok: [...sql.values()].every((found) => found === null || found.ok) && redis.every(({ valid }) => valid),
    stores: placesOf(state).filter(({ store }) => wants(store)),
    ...perSqlStore(sql),
    redis,
  };
}
