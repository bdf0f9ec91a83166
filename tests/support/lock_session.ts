/**
 * The smallest SQL session: a connection of its own with the advisory lock and nothing else, for tests of the lock.
 *
 * @module
 */

import postgres from "postgres";
import type { SqlSession } from "../../engine/sql_backend.ts";
import type { LockOwner } from "../../engine/lock/lock.ts";
import { guardReserved } from "../../engine/postgres/guard_reserved.ts";
import {
  confirmAdvisoryLock,
  golangMigrateLockKey,
  readAdvisoryLockOwner,
  tryAdvisoryLock,
} from "../../engine/postgres/lock.ts";
import { queryThrough } from "../../engine/postgres/query.ts";

/** A session that only locks. */
export interface LockSession extends SqlSession {
  readonly connection: postgres.ReservedSql;
  readonly key: bigint;
  readOwner(): Promise<LockOwner | null>;
}

/** Connects. @param ttlMs Length of the lease in milliseconds. */
export async function connectLockSession(url: string, ttlMs: number, lockName: string): Promise<LockSession> {
  let lost = false;
  const sql = postgres(url, { max: 1, onnotice: () => {}, onclose: () => lost = true });
  const connection = guardReserved(await sql.reserve(), () => lost);
  const query = queryThrough(connection);
  const key = golangMigrateLockKey("public", "schema_migrations", new URL(url).pathname.slice(1));
  const unused = () => Promise.reject(new Error("A session for tests of the lock runs no steps"));
  return {
    connection,
    key,
    readOwner: () => readAdvisoryLockOwner(query, key),
    tryLock: (lease) => tryAdvisoryLock(query, { key, lease, lockName, ttlMs, toolName: "outpost" }),
    ping: () => confirmAdvisoryLock(query, key),
    guards: () => false,
    up: unused,
    upTogether: unused,
    down: unused,
    force: unused,
    cleanup: unused,
    [Symbol.asyncDispose]: () => sql.end({ timeout: 0 }),
  };
}
