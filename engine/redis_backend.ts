/**
 * The contract that the Redis store fulfils. The engine composes backends; it never sees a client.
 *
 * @module
 */

import type { Blocker } from "./blocker.ts";
import type { Fence } from "./lock/lock.ts";
import type {
  CleanupResult,
  MigrationEntry,
  MigrationInfo,
  MigrationResult,
  Pace,
  Progress,
  StorePlace,
} from "./migration.ts";

/** What Redis' bookkeeping says, read without writing; older layouts are understood. */
export interface RedisState {
  /** One for each known migration, in order. `running` is set where a run began and did not end; the engine knows the lock. */
  readonly entries: readonly MigrationEntry[];
  /** True when {@linkcode RedisBackend.adopt} would write something. */
  readonly adoptable: boolean;
  /** True when the deployment has bookkeeping of its own: then it is no fresh one. */
  readonly recorded: boolean;
  /** What tells this Redis and deployment from another, without secrets. */
  readonly identity: string;
  readonly place: StorePlace;
}

/** A record before and after. Shown to people: bytes that are not UTF-8 are escaped, secrets are not shown. */
export interface RedisExample {
  /** Key of the record; for a copy, of its original. */
  readonly key: string;
  /** The fields that change, as `name=value`, or the key of the original. */
  readonly before: string;
  /** The same fields afterwards, or the key of the copy. */
  readonly after: string;
}

/** A value that keeps a record from being converted. Shown to people: bytes that are not UTF-8 are escaped. */
export interface RedisInvalid {
  /** Key of the record that is there; of one that an earlier migration is about to copy, of its original. */
  readonly key: string;
  /** The field that cannot be converted. */
  readonly field: string;
  /** What is in it, of a long one the beginning. */
  readonly value: string;
}

/** What one Redis migration would do. */
export interface RedisMigrationPlan {
  /** ID of the migration, for example `redis/002_timestamps`. */
  readonly id: string;
  /** Name of the migration, for example `002_timestamps`. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** Records to change or to copy, counted by scanning; the application may change some meanwhile. */
  readonly estimatedItems: number;
  /** Those among them that no migration planned before this one changes: together, how many records there are. */
  readonly firsts: number;
  /** Counts by kind of record, for example `{"tenants": 2000}`. */
  readonly scope: Readonly<Record<string, number>>;
  /** Up to 3 of them. */
  readonly examples: readonly RedisExample[];
  /** Records that cannot be converted. */
  readonly invalidItems: number;
  /** Up to 10 of those. */
  readonly invalid: readonly RedisInvalid[];
}

/** What `verify` found of one Redis migration. */
export interface RedisVerification {
  /** ID of the migration, for example `redis/002_timestamps`. */
  readonly id: string;
  /** False when any check failed, and for a migration that is not applied. */
  readonly valid: boolean;
  /** Records looked at, whether or not they were as they should be. */
  readonly checksRun: number;
  /** Records that were as they should be, or were accepted. */
  readonly checksPassed: number;
  /** Records that cannot be converted and were accepted so when the migration was applied. */
  readonly accepted: number;
  /** Records that are there in two forms of which only a person can tell which is right. */
  readonly undecided: number;
  /** What was found, one sentence each; of many, the first. */
  readonly issues: readonly string[];
  /** What there is to say about how it was looked at; absent for nothing. */
  readonly note?: string;
}

/** A record that is there in two forms, as it was shown. */
export interface RedisDifference {
  /** Key of the original: bytes, a character for each. */
  readonly source: string;
  /** The same, for people. */
  readonly key: string;
  /** Key of its copy, for people. */
  readonly copy: string;
  /** False when there is no copy. */
  readonly hasCopy: boolean;
  /**
   * False for an original without a copy where only another tool says that there was one, and nobody asked for it by its key: it is left
   * alone also where the copy is to hold.
   */
  readonly deletable: boolean;
  /** Why cleanup would not delete the original, or null when it would. */
  readonly fault: string | null;
  /** The fields that differ, with null for one that is not there and no value of a secret. Empty for all but the first ten. */
  readonly fields: readonly {
    readonly name: string;
    readonly original: string | null;
    readonly copy: string | null;
  }[];
  /** What tells both forms from what they may be later. */
  readonly state: string;
}

/** Which of the two forms of a record holds. */
export type KeptForm = "original" | "copy";

/** What became of records that were to be settled. */
export interface ResolveResult {
  /** For example `redis/001_hash_tags`. */
  readonly id: string;
  /** Records whose two forms are one now. */
  readonly resolved: number;
  /** Why others were left alone, one sentence each. */
  readonly issues: readonly string[];
}

/** How a Redis migration walks. */
export interface RedisRunOptions extends Pace {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** How a Redis migration is applied. */
export interface RedisApplyOptions extends RedisRunOptions {
  /** Undefined only in tests of the records' own protection: then nothing but the compare-and-set guards a write. */
  readonly fence?: Fence;
  /** Runs although it is applied. */
  readonly rerun?: boolean;
  /** Accepts records that cannot be converted: notes them and finishes. */
  readonly skipInvalid?: boolean;
}

/** How the bookkeeping of a Redis is begun. */
export type RedisRecordOptions = Pick<RedisApplyOptions, "signal" | "fence">;

/** How `verify` looks. */
export interface RedisVerifyOptions extends RedisRunOptions {
  /** Every record instead of a sample. */
  readonly full: boolean;
  /** Tenants (or whatever a migration's unit is) in the random sample. */
  readonly sample: number;
}

/** The Redis store. `read`, `plan`, `blockers`, `planCleanup` and `verify` only read. */
export interface RedisBackend {
  /** Known migrations, in order. */
  readonly migrations: readonly MigrationInfo[];
  read(): Promise<RedisState>;
  /** @param ids The pending migrations in order; each is planned as if those before it had run. */
  plan(ids: readonly string[], options: RedisRunOptions): Promise<readonly RedisMigrationPlan[]>;
  /** What stands in the way of migrations: rights that the user lacks, a server without room for what they make. */
  blockers(ids: readonly string[]): Promise<readonly Blocker[]>;
  /**
   * Runs migrations in one pass, and records of each truthfully what became of it. Every run is one whole pass; what is done is skipped.
   *
   * @param ids In the order of their versions.
   * @returns One result for each. What one could not do counts as not done by those after it.
   */
  apply(ids: readonly string[], options: RedisApplyOptions): Promise<readonly MigrationResult[]>;
  verify(ids: readonly string[], options: RedisVerifyOptions): Promise<readonly RedisVerification[]>;
  /**
   * How many originals there are to look at, or null when the migration leaves nothing behind.
   *
   * @param options With `any`, the first one ends the look, and is counted alone.
   */
  planCleanup(id: string, options: RedisRunOptions & { readonly any?: boolean }): Promise<number | null>;
  cleanup(id: string, options: RedisApplyOptions): Promise<CleanupResult>;
  /** @param keys Originals, as shown to people; null for every one of which only a person can tell which form is right. */
  differences(
    id: string,
    keys: readonly string[] | null,
    options: RedisRunOptions,
  ): Promise<readonly RedisDifference[]>;
  /** Writes the form that is kept over the other, where both are still what was shown. Needs the lock. */
  settle(
    id: string,
    differences: readonly RedisDifference[],
    keep: KeptForm,
    options: RedisApplyOptions,
  ): Promise<ResolveResult>;
  /**
   * Records older bookkeeping and what is not applicable under the current names. Needs the lock. What is said to be applied
   * and is not, by the records of this deployment, becomes pending.
   *
   * @returns Whether there was anything to record.
   */
  adopt(options: RedisRecordOptions): Promise<boolean>;
  /** Looks whether anything of the application is there, and if not, marks everything applied. Needs the lock. @returns Whether it did. */
  markFresh(options: RedisRecordOptions): Promise<boolean>;
}
