/**
 * Says who holds the tables that a step could not lock.
 *
 * @module
 */

import { StepFailedError } from "../errors.ts";
import type { PinnedConnection } from "./pinned_connection.ts";

interface Holder {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly seconds: number;
}

/**
 * Adds to a failure for want of a lock which connections hold locks on tables of the schema, the oldest transaction first.
 *
 * @returns The error itself where nobody is found: the holder may be gone by now.
 */
export async function withHolders(connection: PinnedConnection, error: unknown): Promise<unknown> {
  if (!(error instanceof StepFailedError) || connection.lost) return error;
  const holders = await connection.query<Holder>(HOLDERS, [connection.schema]);
  if (holders.length === 0) return error;
  const named = holders.map(({ pid, name, state, seconds }) =>
    `process ${pid}${name === "" ? "" : ` (${name})`}, ${state}, for ${seconds} s`
  );
  return new StepFailedError(error.message, error.failure, {
    cause: error.cause,
    hint: `The tables are held by ${named.join("; ")}: end it, or allow more time or more tries for locks`,
  });
}

const HOLDERS = `
  SELECT a.pid, coalesce(a.application_name, '') AS name, coalesce(a.state, 'not visible') AS state,
         coalesce(extract(epoch FROM clock_timestamp() - min(a.xact_start))::int, 0) AS seconds
    FROM pg_locks l
    JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.granted AND l.pid <> pg_backend_pid()
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   GROUP BY a.pid, a.application_name, a.state
   ORDER BY min(a.xact_start) LIMIT 3`;
