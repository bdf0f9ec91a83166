/**
 * The stores that an engine works on, by their names, and what every operation is given.
 *
 * @module
 */

import type { RedisBackend, SqlBackend } from "./backend.ts";
import type { LockSettings } from "./lock/lock_settings.ts";
import type { SqlStoreName } from "./migration.ts";

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

/** Asks each SQL store, all at once. @returns The answers, by store. */
export async function askEach<T, Answer>(
  stores: BySqlStore<T>,
  ask: (store: T, name: SqlStoreName) => Promise<Answer>,
): Promise<BySqlStore<Answer>> {
  const answers = [...stores].map(async ([name, store]) => [name, await ask(store, name)] as const);
  return new Map(await Promise.all(answers));
}
