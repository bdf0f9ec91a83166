/**
 * The client that a caller hands in. Its own copy of ioredis may be another one than the engine's, so nothing here asks
 * whether it is an instance of a class.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { RefusedError } from "../errors.ts";

/**
 * A client of Redis or of a cluster, owned by the caller: what `Redis` and `Cluster` of ioredis 5 and 6 have in common, so
 * that a caller may bring a copy of ioredis of its own. Clients of other libraries do not fit.
 */
export interface RedisClient {
  /** True for a client of a cluster: then every master is visited. */
  readonly isCluster: boolean;
  /** State of the connection, in ioredis' words. */
  readonly status: string;
  /**
   * Sends a command and leaves its reply as bytes.
   *
   * @param command For example `HGETALL`.
   * @param args Keys and values, as text or as bytes.
   * @returns The reply.
   */
  callBuffer(command: string, args: (string | Uint8Array | number)[]): Promise<unknown>;
  /** Makes a client with the same settings, which is how heartbeats get a connection of their own. @returns The client. */
  duplicate(): RedisClient;
  /** Closes the connection at once. The engine calls this on its own duplicates alone. */
  disconnect(): void;
}

/** What the engine takes a client for once it was admitted. */
export type Ioredis = Redis | Cluster;

/** Settings of a client that are at odds with what the engine relies on. */
interface ClientOptions {
  readonly keyPrefix?: string | null;
  readonly stringNumbers?: boolean;
  readonly replyMapping?: string;
  readonly enableAutoPipelining?: boolean;
  readonly scaleReads?: unknown;
  readonly redisOptions?: ClientOptions;
}

/**
 * Admits a caller's client.
 *
 * @throws {RefusedError} When it is no client of ioredis, or changes keys or replies, or reads from replicas.
 */
export function admitClient(client: RedisClient): Ioredis {
  const { options, isCluster } = (client ?? {}) as RedisClient & { readonly options?: ClientOptions };
  if (typeof isCluster !== "boolean" || typeof client.callBuffer !== "function" || options === undefined) {
    throw new RefusedError("Cannot use this Redis client: it is not one of ioredis", {
      hint: "Pass a Redis or a Cluster of ioredis",
    });
  }
  for (const settings of [options, options.redisOptions ?? {}]) {
    const fault = faultOf(settings);
    if (fault !== null) {
      throw new RefusedError(`Cannot use this Redis client: its option ${fault}`, {
        hint: "Pass a client of its own without that option",
      });
    }
  }
  return client as unknown as Ioredis;
}

/** Tells the two kinds apart, of whatever copy of ioredis they are. */
export function isCluster(client: Ioredis): client is Cluster {
  return client.isCluster;
}

/** The database that a client is in, which is another than its options name once somebody has sent it a SELECT. */
export function databaseOf(client: Redis): number {
  const { condition } = client as unknown as { readonly condition?: { readonly select?: number } | null };
  return condition?.select ?? client.options.db ?? 0;
}

/** Each of these was seen to lose records, or to make the state lie; none of them can be undone per command. */
function faultOf(options: ClientOptions): string | null {
  const { keyPrefix, stringNumbers, replyMapping, enableAutoPipelining, scaleReads } = options;
  if (keyPrefix) return '"keyPrefix" renames the keys that migrations are written for';
  if (stringNumbers) return '"stringNumbers" changes replies';
  if (replyMapping === "resp3") return '"replyMapping" changes replies';
  if (enableAutoPipelining) return '"enableAutoPipelining" regroups commands';
  // What is read decides about a write, and a replica may not have yet what was written a moment ago.
  if (scaleReads !== undefined && scaleReads !== "master") {
    return '"scaleReads" reads from replicas, which may lag behind';
  }
  return null;
}
