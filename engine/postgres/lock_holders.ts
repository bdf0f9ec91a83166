/**
 * Who holds tables, and since when. Reads only what every role may read; what the server hides of others is left out.
 *
 * @module
 */

import type { TableLockMode } from "../sql/statement.ts";
import { harmless } from "../foreign_text.ts";
import type { Query } from "./query.ts";

/** A transaction that holds a lock on a table. */
export interface LockHolder {
  /** Tells it from every other transaction of the server. */
  readonly transaction: string;
  /** Process of the server, or null for a prepared transaction. */
  readonly pid: number | null;
  /** Names of the tables that it holds, of those that were asked for. */
  readonly tables: readonly string[];
  /** Who it is and since when, for people. */
  readonly description: string;
  /** How long the transaction has been open, in milliseconds; null where the server does not tell. */
  readonly ageMs: number | null;
  /** True where it waits for the connection that asks, and so cannot end before that does. */
  readonly waitsForUs: boolean;
}

/** Which holders are looked for. */
export interface HolderSearch {
  /** Names of tables, whose partitions count too; null for all of the schema. */
  readonly tables: readonly string[] | null;
  /** The lock that is wanted: only who is in its way counts. Null for any. */
  readonly mode: TableLockMode | "ACCESS SHARE" | null;
  /** True counts processes of the server too, such as an autovacuum. */
  readonly server: boolean;
}

/** Finds who holds tables, the longest transaction first. Waits for nobody. */
export async function findHolders(
  query: Query,
  { tables, mode, server }: HolderSearch,
): Promise<readonly LockHolder[]> {
  const rows = await query<HolderRow>(HOLDERS, [
    tables === null ? null : JSON.stringify(tables),
    mode,
    server,
  ]);
  return rows.map((row) => ({
    transaction: row.transaction,
    pid: row.pid,
    tables: row.tables.split(", "),
    description: describeBackend(row),
    ageMs: row.age === null ? null : Number(row.age),
    waitsForUs: row.waits,
  }));
}

/** Names at most three holders in one sentence, which begins with the tables. */
export function describeHolders(holders: readonly LockHolder[]): string {
  const tables = [...new Set(holders.flatMap((holder) => holder.tables))].sort();
  const whose = `${tables.join(", ")} ${tables.length === 1 ? "is" : "are"}`;
  const more = holders.length > 3 ? `; and ${holders.length - 3} more` : "";
  return `${whose} held by ${holders.slice(0, 3).map(({ description }) => description).join("; ")}${more}`;
}

interface HolderRow extends DescribedBackend {
  readonly transaction: string;
  readonly tables: string;
  readonly age: string | null;
}

/** What is told of a transaction's connection. */
export interface DescribedBackend {
  readonly pid: number | null;
  readonly application: string;
  readonly role: string | null;
  readonly state: string | null;
  readonly kind: string | null;
  readonly prepared: string | null;
  readonly since: string | null;
  /** It waits for the step in its turn. */
  readonly waits: boolean;
}

/** `process 4711 (psql, user bob), idle in transaction since 2026-01-01T00:00:00Z`, as far as it is known. */
export function describeBackend(
  { pid, application, role, state, kind, prepared, since, waits }: DescribedBackend,
): string {
  const who = prepared !== null
    ? `prepared transaction ${JSON.stringify(prepared)}`
    : `process ${pid}${inBrackets([kind ?? application, role === null ? "" : `user ${role}`])}`;
  const when = since === null ? "" : `${state === null ? "" : `, ${state}`} since ${since}`;
  return harmless(`${who}${when}${waits ? ", which itself waits for this step" : ""}`);
}

function inBrackets(words: readonly string[]): string {
  const said = words.filter((word) => word !== "");
  return said.length === 0 ? "" : ` (${said.join(", ")})`;
}

// A reader queues also behind who waits for a strong lock. The inheritance is read from the catalog: the server's own function for
// it would wait for the very locks.
const HOLDERS = `
  WITH RECURSIVE parts AS (
    SELECT to_regclass(name)::oid AS oid FROM jsonb_array_elements_text($1::text::jsonb) AS name
    UNION
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE $1::text IS NULL AND c.relkind IN ('r', 'p') AND n.nspname = current_schema()
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN parts p ON p.oid = i.inhparent
  ), held AS (
    SELECT l.virtualtransaction AS transaction, l.pid, string_agg(DISTINCT c.relname, ', ') AS tables
      FROM pg_locks l
      JOIN pg_class c ON c.oid = l.relation AND c.oid IN (SELECT oid FROM parts)
     WHERE l.locktype = 'relation' AND (l.granted OR $2::text = 'ACCESS SHARE')
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND l.pid IS DISTINCT FROM pg_backend_pid()
       AND CASE $2::text WHEN 'ACCESS SHARE' THEN l.mode = 'AccessExclusiveLock'
                         WHEN 'SHARE ROW EXCLUSIVE' THEN l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                         ELSE true END
     GROUP BY l.virtualtransaction, l.pid
  )
  SELECT h.transaction, h.pid, h.tables, coalesce(a.application_name, '') AS application, a.usename AS role, a.state,
         CASE WHEN a.usesysid IS NULL THEN a.backend_type END AS kind, p.gid AS prepared,
         to_char(coalesce(p.prepared, a.xact_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
         (extract(epoch FROM clock_timestamp() - coalesce(p.prepared, a.xact_start)) * 1000)::bigint::text AS age,
         h.pid IS NOT NULL AND pg_backend_pid() = ANY (pg_blocking_pids(h.pid)) AS waits
    FROM held h
    LEFT JOIN pg_stat_activity a ON a.pid = h.pid
    LEFT JOIN pg_locks x ON h.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
                        AND x.virtualtransaction = h.transaction
    LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
   WHERE h.pid IS NULL OR (a.pid IS NOT NULL AND (a.usesysid IS NOT NULL OR $3::boolean))
   ORDER BY coalesce(p.prepared, a.xact_start)`;
