/**
 * The smallest SQL session: a connection of its own with the advisory lock and nothing else, for tests of the lock.
 *
 * @module
 */

import postgres from "postgres";
import type { SqlSession } from "../../engine/sql_backend.ts";
import type { LockOwner } from "../../engine/lock/lock.ts";
import {
  confirmAdvisoryLock,
  golangMigrateLockKey,
  readAdvisoryLockOwner,
  tryAdvisoryLock,
} from "../../engine/postgres/lock.ts";

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
  const reserved = await sql.reserve();
  // A query on a reserved connection that is gone would bring down the process.
  const connection = new Proxy(reserved, {
    apply: (target, self, args) =>
      lost ? Promise.reject(new Error("Connection lost")) : Reflect.apply(target, self, args),
  });
  const key = golangMigrateLockKey("public", "schema_migrations", new URL(url).pathname.slice(1));
  const unused = () => Promise.reject(new Error("A session for tests of the lock runs no steps"));
  return {
    connection,
    key,
    readOwner: () => readAdvisoryLockOwner(connection, key),
    tryLock: (lease) => tryAdvisoryLock(connection, { key, lease, lockName, ttlMs, toolName: "outpost" }),
    ping: () => confirmAdvisoryLock(connection, key),
    guards: () => false,
    up: unused,
    upTogether: unused,
    down: unused,
    force: unused,
    cleanup: unused,
    [Symbol.asyncDispose]: () => sql.end({ timeout: 0 }),
  };
}
