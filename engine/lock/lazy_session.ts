/**
 * A SQL session that connects when it first tries its lock. The lease in Redis is taken before: so of fifty pods that start
 * at once, one opens a connection for writing, and the others wait without.
 *
 * @module
 */

import type { SqlBackend, SqlRunOptions, SqlSession } from "../backend.ts";
import type { LockOwner } from "./lock.ts";

/** The session of a backend, opened late. */
export class LazySession implements SqlSession {
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
    await this.#opened().ping();
  }

  guards(version: number): boolean {
    return this.#opened().guards(version);
  }

  async up(version: number, options: SqlRunOptions): Promise<void> {
    await this.#opened().up(version, options);
  }

  async upTogether(versions: readonly number[], options: SqlRunOptions): Promise<void> {
    await this.#opened().upTogether(versions, options);
  }

  async down(version: number, options: SqlRunOptions): Promise<void> {
    await this.#opened().down(version, options);
  }

  async force(version: number): Promise<void> {
    await this.#opened().force(version);
  }

  async cleanup(version: number, options: SqlRunOptions): Promise<number> {
    return await this.#opened().cleanup(version, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
  }

  /** What the lock hands out is locked, and so opened. */
  #opened(): SqlSession {
    if (this.#session === null) throw new TypeError("A SQL session was used before its lock was taken");
    return this.#session;
  }
}
