/**
 * What the Postgres backend is told from outside: the steps, the names of an application's bookkeeping, and how patient to be.
 *
 * @module
 */

import type postgres from "postgres";
import { RegistryError } from "../errors.ts";
import type { SqlSteps } from "../sql/step.ts";
import type { BookkeepingNames, Recorder } from "./bookkeeping.ts";
import type { SchemaObjects } from "./schema_objects.ts";

/** Names and keys that an application's other tools use in Postgres. */
export interface PostgresNames extends BookkeepingNames {
  /** Key of the advisory lock for a schema of a database. */
  readonly lockKey: (schema: string, database: string) => bigint;
}

/** The key of the advisory lock. @throws {RegistryError} When it is none: another would be another lock. */
export function lockKeyOf({ lockKey }: PostgresNames, schema: string, database: string): bigint {
  const key: unknown = lockKey(schema, database);
  if (typeof key === "bigint" && BigInt.asIntN(64, key) === key) return key;
  throw new RegistryError(
    `Cannot lock Postgres: lockKey() answers ${String(key)}, which is no bigint of 64 bits`,
  );
}

/** Options of {@linkcode createPostgresBackend}. */
export interface PostgresOptions extends SqlSteps<SchemaObjects> {
  /** Owned by the caller. Reading uses it; writing opens one connection more with the same settings. */
  readonly sql: postgres.Sql;
  readonly names: PostgresNames;
  readonly tool: Recorder;
  /** What the advisory lock says of the lease it is held beside. */
  readonly lease: { readonly lockName: string; readonly ttlMs: number };
  /** How long a statement may wait for a lock, in milliseconds. Readers queue behind it no longer. @default {1000} */
  readonly lockTimeoutMs?: number;
  /** How long a read may wait for a table that another session locks, in milliseconds. @default {5000} */
  readonly readWaitMs?: number;
  /** How often a step is tried again after that. @default {10} */
  readonly lockRetries?: number;
  /** How long a statement may take, in milliseconds; 0 for as long as it needs. @default {0} */
  readonly statementTimeoutMs?: number;
}
