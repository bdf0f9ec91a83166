/**
 * The stores that an engine works on, by their names, and what every operation is given.
 *
 * @module
 */

import type { RedisBackend } from "./redis_backend.ts";
import type { SqlBackend } from "./sql_backend.ts";
import { StoreDeniedError, StoresFailedError, StoreUnreachableError } from "./errors.ts";
import type { LockSettings } from "./lock/lock_settings.ts";
import { type PerSqlStore, SQL_STORES, type SqlStoreName } from "./migration.ts";

/** Something of each SQL store that there is, by its name; Postgres before ClickHouse. */
export type BySqlStore<T> = ReadonlyMap<SqlStoreName, T>;

/** The stores of an engine. One that is absent is not contacted. */
export interface Stores {
  /** Postgres and ClickHouse, whichever there are. */
  readonly sql: BySqlStore<SqlBackend>;
  /** Redis, or null without it. */
  readonly redis: RedisBackend | null;
}

/** What an engine works with. */
export interface EngineContext extends Stores {
  /** How the lock is taken and kept. */
  readonly lock: LockSettings;
  /** The deployment, for saved plans and outputs; empty for none. */
  readonly deployment: string;
  /** Version of the program, written into history, locks and plans. */
  readonly version: string;
}

/** The same with null for a store that there is nothing of. */
export function perSqlStore<T>(by: BySqlStore<T | null>): PerSqlStore<T> {
  return Object.fromEntries(SQL_STORES.map((store) => [store, by.get(store) ?? null])) as PerSqlStore<T>;
}

/** Asks each SQL store, all at once. @returns The answers, by store. @throws As {@linkcode together}. */
export async function askEach<T, Answer>(
  stores: BySqlStore<T>,
  ask: (store: T, name: SqlStoreName) => Promise<Answer>,
): Promise<BySqlStore<Answer>> {
  const names = [...stores.keys()];
  const answers = await together([...stores].map(([name, store]) => ask(store, name)));
  return new Map(answers.map((answer, i) => [names[i]!, answer]));
}

/**
 * Waits for what several stores were asked, however each of them answers.
 *
 * @throws {StoresFailedError} When more than one cannot be reached or refuses. Else what the first in order failed with.
 */
export async function together<T extends readonly unknown[]>(
  asked: readonly [...{ [K in keyof T]: T[K] | Promise<T[K]> }],
): Promise<T> {
  const results = await Promise.allSettled(asked);
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : []
  );
  if (failures.length === 0) {
    return results.map((result) => result.status === "fulfilled" ? result.value : null) as unknown as T;
  }
  const stores = failures.flatMap((failure): readonly unknown[] =>
    failure instanceof StoresFailedError ? failure.failures : [failure]
  );
  const silent = stores.filter((failure) =>
    failure instanceof StoreUnreachableError || failure instanceof StoreDeniedError
  );
  if (stores.length < 2 || silent.length < stores.length) throw failures[0];
  throw new StoresFailedError(silent);
}
