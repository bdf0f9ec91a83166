/**
 * What the locks of runs that belong together share: one connection to Redis, and one beat, at which all of them are renewed in one
 * go. A lock by itself is a group of one.
 *
 * @module
 */

import type { Ioredis } from "../redis/client.ts";
import { ownConnection, type SharedConnection } from "../redis/lock/own_connection.ts";

/** The locks that are held together. */
export class LockGroup {
  #connection: Ioredis | null = null;
  #users = 0;
  readonly #beats = new Set<() => Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Connects, if nobody has. @param silenceMs As {@linkcode ownConnection} takes it. */
  connect(client: Ioredis, silenceMs: number): SharedConnection {
    const connection = this.#connection ??= ownConnection(client, silenceMs);
    this.#users++;
    const release = () => {
      if (--this.#users > 0) return;
      connection.disconnect();
      this.#connection = null;
    };
    return { client: connection, release };
  }

  /**
   * Calls a function again and again, together with those of the others; not while it is still at work.
   *
   * @param everyMs Milliseconds from one beat to the next; what the first of a group says holds for all.
   * @param beat Never throws.
   * @returns Ends it.
   */
  beat(everyMs: number, beat: () => Promise<void>): () => void {
    let atWork = false;
    const once = async () => {
      if (atWork) return;
      atWork = true;
      await beat();
      atWork = false;
    };
    this.#beats.add(once);
    if (this.#timer === undefined) this.#schedule(everyMs);
    return () => {
      this.#beats.delete(once);
      if (this.#beats.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #schedule(everyMs: number): void {
    this.#timer = setTimeout(() => {
      this.#schedule(everyMs);
      for (const beat of this.#beats) void beat();
    }, everyMs);
  }
}
