/**
 * From what was read to what would be done.
 *
 * @module
 */

import type { RedisMigrationPlan } from "./redis_backend.ts";
import type { SqlPlan } from "./sql/sql_plan.ts";
import {
  isPending,
  type MigrationEntry,
  type PerSqlStore,
  type StoreName,
  type StorePlace,
} from "./migration.ts";
import type { Blocker } from "./blocker.ts";
import { digestOf } from "./checksum.ts";
import { RefusedError } from "./errors.ts";
import { resolveId } from "./resolve_id.ts";
import { assertFits, basisOf, type PlanBasis, type SavedPlan } from "./saved_plan.ts";
import { assertClean, assertNoneDirtyAhead, type State } from "./state.ts";
import { askEach, type EngineContext, perSqlStore, type Stores } from "./stores.ts";
import type { StopOptions } from "./until_stopped.ts";

/** What to plan. */
export interface PlanOptions extends StopOptions {
  /** Loose IDs; undefined or empty for everything that is pending. */
  readonly ids?: readonly string[] | undefined;
  /** Plans named Redis migrations although they are applied. */
  readonly rerun?: boolean | undefined;
  /** Plans as if nothing were prepared. */
  readonly noPrepared?: boolean | undefined;
  /** Plans what is left of a saved plan, as things are now. */
  readonly saved?: SavedPlan | undefined;
}

/** A store that a plan is for. */
export interface PlannedStore extends StorePlace {
  /** Which one it is. */
  readonly store: StoreName;
}

/** What {@linkcode Engine.apply} would do. Of a SQL store without steps when nothing is pending there. */
export interface Plan extends PerSqlStore<SqlPlan> {
  /** SHA-256 over {@linkcode PlanBasis}, in hex. */
  readonly digest: string;
  /** The stores that were looked at: Postgres, ClickHouse, Redis. */
  readonly stores: readonly PlannedStore[];
  /** False when nothing is selected and every store was read: then all is applied already. */
  readonly hasChanges: boolean;
  /** The selected Redis migrations, in the order in which they run; empty without Redis. */
  readonly redis: readonly RedisMigrationPlan[];
  /** What stands in the way: `apply` refuses before its first step. Empty when nothing does, or where nobody has looked. */
  readonly blockers: readonly Blocker[];
  /** What the digest is taken over: save both, and hand them to `apply`. */
  readonly basis: PlanBasis;
}

/** Plans what is pending, or the migrations named. Reads only. */
export async function makePlan(
  given: Omit<EngineContext, "lock">,
  state: State,
  { ids = [], rerun = false, noPrepared = false, saved, signal }: PlanOptions,
): Promise<Plan> {
  // Of a store that could not be read nothing can be planned: why not stands in the way.
  const context = { ...given, sql: new Map([...given.sql].filter(([name]) => state.sql.has(name))) };
  if (saved !== undefined) await assertFits(context, state, saved);
  else if (ids.length === 0) assertNoneDirtyAhead(state);
  const selected = select(state.entries, saved?.basis.selected ?? ids, { rerun });
  const together = maySelectedRunAsOne(ids, saved);
  const sql = await askEach(
    context.sql,
    (backend, name) => {
      const versions = selected.filter(({ store }) => store === name).map(({ version }) => version);
      if (versions.length > 0) assertClean(name, state);
      return backend.plan(versions, { together, noPrepared });
    },
  );
  const grouped = selected.filter(({ store, version }) =>
    store !== "redis" && sql.get(store)?.grouping?.together.includes(version)
  ).map(({ id }) => id);
  const basis = {
    ...await basisOf(context, state, selected, grouped),
    ...(grouped.length === 0 ? {} : { together: grouped }),
  };
  const redisIds = selected.filter((entry) => entry.store === "redis").map((entry) => entry.id);
  return {
    digest: digestOf(basis),
    stores: placesOf(state),
    hasChanges: selected.length + state.untrusted.length > 0,
    ...perSqlStore(sql),
    redis: context.redis === null || redisIds.length === 0
      ? []
      : await context.redis.plan(redisIds, { signal: signal ?? new AbortController().signal }),
    blockers: [
      ...state.untrusted,
      ...(await findBlockers(context, selected)).filter(({ kind }) =>
        !noPrepared || kind !== PREPARED_BLOCKER
      ),
    ],
    basis,
  };
}

/** Whoever names steps wants them one by one; a saved plan is for the one or the other. */
export function maySelectedRunAsOne(ids: readonly string[], saved: SavedPlan | undefined): boolean {
  return saved === undefined ? ids.length === 0 : saved.basis.together !== undefined;
}

/** The kind of what stands in the way where something is prepared that cannot be used. */
export const PREPARED_BLOCKER = "prepared";

/** What stands in the way of migrations, in each store. */
export async function findBlockers(
  { sql, redis }: Stores,
  selected: readonly MigrationEntry[],
): Promise<readonly Blocker[]> {
  const of = (name: StoreName) => selected.filter(({ store }) => store === name);
  const inSql = await askEach(
    sql,
    (backend, name) => backend.blockers(of(name).map(({ version }) => version)),
  );
  const ids = of("redis").map(({ id }) => id);
  return [
    ...[...inSql.values()].flat(),
    ...redis === null || ids.length === 0 ? [] : await redis.blockers(ids),
  ];
}

/** Where the stores that were read are. */
export function placesOf({ sql, redis }: State): readonly PlannedStore[] {
  return [
    ...[...sql].map(([store, { place }]) => ({ store, ...place })),
    ...(redis === null ? [] : [{ store: "redis" as const, ...redis.place }]),
  ];
}

/**
 * What is to be applied, in order.
 *
 * @param ids Loose IDs; empty for everything that is pending.
 * @throws {UnknownMigrationError} When an ID names none or more than one.
 * @throws {RefusedError} When an earlier pending migration of the same store is left out: records would be recorded as
 * migrated that the earlier one has yet to make.
 */
export function select(
  entries: readonly MigrationEntry[],
  ids: readonly string[],
  { rerun }: { readonly rerun: boolean },
): readonly MigrationEntry[] {
  if (ids.length === 0) return entries.filter((entry) => isPending(entry.status));
  const named = new Set(ids.map((id) => resolveId(id, entries).id));
  const selected = entries.filter(({ id, status, store }) =>
    named.has(id) && (isPending(status) || (rerun && store === "redis" && status === "applied"))
  );
  for (const entry of selected) {
    const missing = entries.filter((other) =>
      other.store === entry.store && other.version < entry.version && isPending(other.status) &&
      !named.has(other.id)
    );
    if (missing.length > 0) {
      throw new RefusedError(
        `Cannot apply ${entry.id} alone: ${missing.map(({ id }) => id).join(", ")} must come first`,
        { hint: `Name them too, or apply everything that is pending` },
      );
    }
  }
  return selected;
}
