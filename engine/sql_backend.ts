/**
 * The contract that every SQL store fulfils. The engine composes backends; it never sees a client.
 *
 * @module
 */

import type { Blocker } from "./blocker.ts";
import type { LockOwner } from "./lock/lock.ts";
import type { MigrationEntry, MigrationInfo, Pace, StorePlace } from "./migration.ts";
import type { SqlActivity } from "./sql/activity.ts";
import type { SqlPrepared } from "./sql/sql_prepared.ts";
import type { DownTarget, SqlDownPlan, SqlGrouping, SqlPlan } from "./sql/sql_plan.ts";

/** What a SQL store's bookkeeping says, read without writing. */
export interface SqlState {
  /** The version reached, 0 for none. */
  readonly version: number;
  /** The highest version this program knows. */
  readonly latest: number;
  readonly dirty: boolean;
  /** The database is at a version that this program does not know. */
  readonly ahead: boolean;
  /** One for each known step, in order. `running` is never set here: the engine knows the lock. */
  readonly entries: readonly MigrationEntry[];
  /** Changed, missing, unknown or out-of-order applied steps, one sentence each. Empty when all is well. */
  readonly drift: readonly string[];
  /** True where drift is in the bookkeeping alone, which can be written down anew. */
  readonly misrecorded: boolean;
  /** What tells this database from another, without secrets: for saved plans. */
  readonly identity: string;
  readonly place: StorePlace;
  /** Absent where nothing is prepared. Prepared is still pending. */
  readonly prepared?: SqlPrepared;
}

/** What `verify` found in one SQL store. */
export interface SqlVerification {
  /** True when there are no issues. */
  readonly ok: boolean;
  /** The version reached, 0 for none. */
  readonly current: number;
  /** The highest version that this program knows. */
  readonly latest: number;
  /** Another tool failed in the middle of a step. */
  readonly dirty: boolean;
  /** Differences between the live and the expected schema, drift, pending steps, what loses or refuses rows: one sentence each. */
  readonly issues: readonly string[];
  /** What is strange about the tables and does no harm to rows. */
  readonly warnings: readonly string[];
  /** Present where drift is in the bookkeeping alone, which can be written down anew. */
  readonly misrecorded?: true;
  /** Present where a table or a column is not there that the version has: what is pending can then not even be planned. */
  readonly incomplete?: true;
  /**
   * The version of which the tables lack nothing: present where that is not the recorded one, and for a dirty database, where it is one
   * that the step was at or was to reach. Of two the later.
   */
  readonly fits?: number;
}

/** How a session runs steps. */
export interface SqlRunOptions {
  /** Stops before the next attempt or statement; the statement in hand is cancelled and rolled back. */
  readonly signal: AbortSignal;
  /** The way that was shown, as {@linkcode SqlBackend.variants} calls it: another one is refused. Undefined for whichever it is. */
  readonly variant?: string | undefined;
  /** Called within the step's transaction, just before it commits: throws when the lock is lost. */
  readonly beforeCommit: () => Promise<void>;
  /** Told of each attempt that gave up on `lock_timeout`, for logs. */
  readonly onRetry?: (attempt: number, waitMs: number, reason: string) => void;
  /** Told of each statement before it runs. */
  readonly onStatement?: (index: number, count: number, statement: string) => void;
}

/** How a rewrite is prepared beside a running application. */
export interface SqlPrepareOptions extends SqlRunOptions, Pace {
  /** Told of each batch and each stage that is done. */
  readonly onPrepared?: (progress: { readonly phase: string; readonly rows: number }) => void;
}

/** A SQL store's half of the lock. Disposing gives it back and ends its connection. */
export interface SqlLock extends AsyncDisposable {
  /**
   * Tries to take the store's half of the lock, without waiting in the server.
   *
   * @param lease Token of the Redis lease that this run holds, or null for a run without Redis.
   * @returns Null when taken, else who holds it.
   */
  tryLock(lease: string | null): Promise<LockOwner | null>;
  /** Proves that the connection lives and still holds the lock. @throws {LockLostError} When not. */
  ping(): Promise<void>;
}

/** One connection for writing. It holds the store's half of the lock, and every step runs on it. */
export interface SqlSession extends SqlLock {
  /**
   * True where a step and its record commit together on the very connection that holds the store's half of the lock: then that is
   * guard enough for a step that began.
   */
  guards(version: number): boolean;
  /** Runs one step up and records it, both in one transaction where the step allows. */
  up(version: number, options: SqlRunOptions): Promise<void>;
  /**
   * Runs steps as one and records each, all in one transaction.
   *
   * @param versions What {@linkcode SqlBackend.group} named.
   * @throws {RefusedError} When that no longer holds. Everything is undone.
   */
  upTogether(versions: readonly number[], options: SqlRunOptions): Promise<void>;
  /**
   * Builds beside the running application what {@linkcode SqlSession.upTogether} then only puts in its place; goes on where an
   * earlier call was cut off. Absent where the store cannot.
   *
   * @param versions All pending versions.
   * @throws {RefusedError} When they cannot be prepared.
   */
  prepare?(versions: readonly number[], options: SqlPrepareOptions): Promise<void>;
  /** Takes away what is prepared. @returns False where nothing was. */
  abortPrepared?(options: SqlRunOptions): Promise<boolean>;
  /** Takes one step back and records it. */
  down(version: number, options: SqlRunOptions): Promise<void>;
  /** Sets the version by hand and clears dirty. */
  force(version: number): Promise<void>;
  /** Empties what a step left behind. @returns The rows deleted. */
  cleanup(version: number, options: SqlRunOptions): Promise<number>;
}

/** A SQL store. All methods but {@linkcode SqlBackend.connect} read only. */
export interface SqlBackend {
  /** Known steps, in order. */
  readonly migrations: readonly MigrationInfo[];
  read(): Promise<SqlState>;
  /**
   * @param versions The pending versions to plan, in order: the whole rest or its beginning.
   * @param options `together`: steps may run as one; `noPrepared`: what is prepared is taken away before. Both false by default.
   */
  plan(
    versions: readonly number[],
    options?: { readonly together?: boolean; readonly noPrepared?: boolean },
  ): Promise<SqlPlan>;
  /** Which of the pending versions would run as one, as things are now. */
  group(versions: readonly number[]): Promise<SqlGrouping>;
  /** Which way the pending versions that have several would take, by ID; empty for the ordinary one. */
  variants(versions: readonly number[]): Promise<Readonly<Record<string, string>>>;
  /** What stands in the way of pending versions, found before the first is applied. */
  blockers(versions: readonly number[]): Promise<readonly Blocker[]>;
  planDown(target: DownTarget): Promise<SqlDownPlan>;
  /** Counts what cleanup of a step would delete, or returns null when the step leaves nothing behind. */
  planCleanup(version: number): Promise<{ readonly rows: number; readonly detail: string } | null>;
  verify(): Promise<SqlVerification>;
  /**
   * Runs versions in the order in which the folder of steps has them, asked once for all.
   *
   * @param versions The next ones up, or the newest ones down.
   * @param run Runs one, in a session.
   * @throws {RegistryError} When the folder has others next. Nothing has run then.
   */
  handOver(
    direction: "up" | "down",
    versions: readonly number[],
    run: (version: number) => Promise<void>,
  ): Promise<void>;
  /** Opens the connection for writing. Nothing is locked or written yet. */
  connect(): Promise<SqlSession>;
  /** Who holds the store's half of the lock, or null. */
  lockOwner(): Promise<LockOwner | null>;
  /** What the connection does that holds it, or null when nobody does and where the store does not tell. */
  activity(): Promise<SqlActivity | null>;
}
