/**
 * The connection of a lease, apart from that of the work.
 *
 * @module
 */

import { databaseOf, type Ioredis, isCluster } from "../client.ts";
import { watchFailures } from "../errors.ts";

/** A connection of one lease, or of several that belong together. */
export interface SharedConnection {
  readonly client: Ioredis;
  /** To be called once by each who was given it: the last one closes it. */
  release(): void;
}

/**
 * A connection with the caller's settings that never gives up on its own: how long to wait is decided here, command by
 * command. Commands that were cut off are not sent again behind the scenes.
 *
 * @param client Owned by the caller; only copied.
 * @param silenceMs A connection that owes an answer for so long is replaced: a network may drop it without telling.
 * @returns A client that the caller closes.
 */
export function ownConnection(client: Ioredis, silenceMs: number): Ioredis {
  const options = {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: Math.max(silenceMs, 1000),
    socketTimeout: silenceMs,
    // A server that was demoted by a failover: the same address may lead to its successor.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY "),
  };
  const retry = (times: number) => Math.min(times * 50, 500);
  const connection = isCluster(client)
    ? client.duplicate([], { redisOptions: options, clusterRetryStrategy: retry, retryDelayOnFailover: 0 })
    : client.duplicate({ ...options, db: databaseOf(client), retryStrategy: retry });
  watchFailures(connection);
  return connection;
}
