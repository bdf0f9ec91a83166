/**
 * What a migration is and what becomes of it: the words that every other module uses.
 *
 * @module
 */

/** A SQL store. */
export type SqlStoreName = "postgres" | "clickhouse";

/** The SQL stores there can be, in the order in which they are migrated. */
export const SQL_STORES: readonly SqlStoreName[] = ["postgres", "clickhouse"];

/** Something of each SQL store, by its name; null for a store that an engine was not given. */
export type PerSqlStore<T> = { readonly [Store in SqlStoreName]: T | null };

/** What there is, in the order in which stores are migrated. */
export function presentStores<T>(by: PerSqlStore<T>): readonly (readonly [store: SqlStoreName, found: T])[] {
  return SQL_STORES.flatMap((store) => {
    const found = by[store];
    return found === null ? [] : [[store, found] as const];
  });
}

/** A store, by the one name that it has. */
export type StoreName = SqlStoreName | "redis";

/**
 * - `pending`: not applied yet.
 * - `applied`: done completely.
 * - `not_applicable`: nothing to do here, for the reason given.
 * - `running`: someone holds the lock and is at it.
 * - `failed`: it ran and not everything is done.
 * - `dirty`: another tool failed in the middle of it.
 */
export type MigrationStatus = "pending" | "applied" | "not_applicable" | "running" | "failed" | "dirty";

/** One line of the registry with its status. */
export interface MigrationEntry {
  /** `sql/000005`, `clickhouse/000001` or `redis/002_timestamps`. */
  readonly id: string;
  /** The store that it changes. */
  readonly store: StoreName;
  /** Its number, counted from 1 in each store. */
  readonly version: number;
  /** For example `denormalize_attempts`, or `002_timestamps` for Redis. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** What became of it. */
  readonly status: MigrationStatus;
  /** Why the status is what it is, where that is not obvious. */
  readonly reason: string | null;
  /** When it was applied, or null where that is not known. */
  readonly appliedAt: Date | null;
}

/** What became of one planned migration. Counts are records for Redis; SQL steps count 0. */
export interface MigrationResult {
  /** For example `redis/002_timestamps`. */
  readonly id: string;
  /** `not_run` when an earlier one failed, or the run was stopped before it. */
  readonly outcome: "applied" | "failed" | "not_run";
  /** Records changed or copied by this run. */
  readonly processed: number;
  /** Records that could not be done and were left alone; above 0 makes the migration `failed`. */
  readonly failed: number;
  /** Those of them that are there in two forms of which only a person can tell which is right; absent for none. */
  readonly undecided?: number;
  /** Records that were as they should be already, or were accepted as they are. */
  readonly skipped: number;
  /** Records whose current form is newer than their old form and was kept. */
  readonly conflicts: number;
  /** How long it took, in milliseconds; 0 when it was not run. */
  readonly durationMs: number;
  /** Up to 10 records that could not be converted, or the reason of the failure, for people. */
  readonly issues: readonly string[];
}

/** What `cleanup` did. */
export interface CleanupResult {
  /** For example `redis/001_hash_tags`. */
  readonly id: string;
  /** Records or rows deleted. */
  readonly deleted: number;
  /** Records that are not proven to exist elsewhere, and stay. */
  readonly kept: number;
  /** Up to 10 of what was kept, and why. */
  readonly issues: readonly string[];
}

/** Progress of the migration at work. */
export interface Progress {
  /** The migration at work, for example `redis/002_timestamps`. */
  readonly id: string;
  /** Records changed so far. */
  readonly processed: number;
  /** Records that could not be converted so far. */
  readonly failed: number;
  /** Records so far that needed nothing. */
  readonly skipped: number;
  /** Records to expect, or null while unknown. */
  readonly total: number | null;
  /** Records a second, over the last seconds. */
  readonly ratePerSecond: number;
  /** Time left in milliseconds, or null while unknown. */
  readonly remainingMs: number | null;
}

/** True for a status that keeps a server from starting. */
export function isPending(status: MigrationStatus): boolean {
  return status !== "applied" && status !== "not_applicable";
}

/** How fast a walk over Redis records may go. */
export interface Pace {
  /** Records a second at most; undefined for no limit. */
  readonly maxRate?: number | undefined;
  /** Records in one batch; undefined adapts to the server. */
  readonly batchSize?: number | undefined;
}

/** A store as people call it. */
export function storeTitle(store: StoreName): string {
  return { postgres: "Postgres", clickhouse: "ClickHouse", redis: "Redis" }[store];
}

/** What stands for a store in IDs and in JSON, where `sql` meant Postgres before there was another. */
export function typeOf(store: StoreName): "sql" | Exclude<StoreName, "postgres"> {
  return store === "postgres" ? "sql" : store;
}

/**
 * Builds the ID of a migration.
 *
 * @param store The store.
 * @param version Version number, counted from 1.
 * @param name `denormalize_attempts`, or `002_timestamps` for Redis.
 * @returns `sql/000005`, or `redis/002_timestamps`.
 */
export function migrationId(store: StoreName, version: number, name: string): string {
  return store === "redis" ? `redis/${name}` : `${typeOf(store)}/${formatVersion(version)}`;
}

/** A SQL version as it stands in IDs and file names: `000005`. */
export function formatVersion(version: number): string {
  return String(version).padStart(6, "0");
}

/** What names a migration: enough to resolve loose IDs. */
export interface MigrationName {
  readonly id: string;
  readonly store: StoreName;
  readonly version: number;
  readonly name: string;
}

/** What every migration in the registry tells of itself. */
export interface MigrationInfo extends MigrationName {
  readonly description: string;
  /** Hash of what it does; changes whenever its statements or its definition do. */
  readonly checksum: string;
}

/** Where a store is, for people. Nothing of it is secret. */
export interface StorePlace {
  /** Host name, or the path of a socket; of several hosts all, with their ports. */
  readonly host: string;
  /** Null where the host says it. */
  readonly port: number | null;
  /** Name of the database, or its number in Redis. */
  readonly database: string;
  /** Null for a store without schemas, and where none exists yet. */
  readonly schema: string | null;
}
