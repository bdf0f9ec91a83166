/**
 * Poolers between this program and the server: in transaction mode they move a connection between server processes, and neither
 * locks nor settings hold.
 *
 * @module
 */

import { RefusedError } from "../errors.ts";
import { within } from "../within.ts";
import type { Query } from "./query.ts";
import { type Client, singleClient } from "./single_client.ts";

const PROBE_MS = 2000;

/**
 * Behind a pooler in transaction mode a second connection, in a transaction, is given the server process that the first one
 * just used; or the first one finds itself on another. In session mode neither happens.
 *
 * @param query Asks over the first one.
 * @param pid What it was told of the server's process.
 * @throws {RefusedError} When the two share their processes.
 */
export async function refuseSharedConnections(source: Client, query: Query, pid: number): Promise<void> {
  const other = singleClient(source);
  const probe = async (): Promise<boolean> => {
    await other.unsafe("BEGIN READ ONLY");
    const [second] = await other.unsafe<{ pid: number }[]>("SELECT pg_backend_pid() AS pid");
    if (second!.pid === pid) return true;
    const [first] = await query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    return first!.pid !== pid;
  };
  try {
    // A pool of a single connection in session mode never serves the second: then it is not shared either.
    if (await within(PROBE_MS, probe().catch(() => false), () => false)) throw sharedConnectionError();
  } finally {
    await other.end({ timeout: 0 });
  }
}

/** The lock and the settings would be lost. */
export function sharedConnectionError(): RefusedError {
  return new RefusedError(
    "Cannot migrate Postgres through a pooler in transaction mode: the lock would be lost between two statements",
    { hint: "Connect to Postgres itself, or to a pool with pool_mode = session" },
  );
}
