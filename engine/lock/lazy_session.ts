/**
 * A SQL session that connects when it first tries its lock. The lease in Redis is taken before: so of fifty pods that start
 * at once, one opens a connection for writing, and the others wait without.
 *
 * @module
 */

import type { SqlBackend, SqlLock, SqlSession } from "../sql_backend.ts";
import type { LockOwner } from "./lock.ts";

/** The lock of a session, opened late. */
export class LazySession implements SqlLock {
  readonly #backend: SqlBackend;
  #session: SqlSession | null = null;

  constructor(backend: SqlBackend) {
    this.#backend = backend;
  }

  async tryLock(lease: string | null): Promise<LockOwner | null> {
    this.#session ??= await this.#backend.connect();
    return await this.#session.tryLock(lease);
  }

  async ping(): Promise<void> {
    await this.opened.ping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
  }

  /** The session, once its lock was tried. */
  get opened(): SqlSession {
    if (this.#session === null) throw new TypeError("A SQL session was used before its lock was taken");
    return this.#session;
  }
}
