/**
 * What the connection that holds the advisory lock is doing. Reads what every role may read; the server leaves out what it does
 * not tell this one.
 *
 * @module
 */

import { harmless } from "../foreign_text.ts";
import type { SqlActivity, SqlWait, SqlWork } from "../sql/activity.ts";
import { describeBackend } from "./lock_holders.ts";
import type { Query } from "./query.ts";

/** @param key Of the advisory lock. @returns Null when nobody holds it. */
export async function readActivity(query: Query, key: bigint): Promise<SqlActivity | null> {
  const [holder] = await query<HolderRow>(HOLDER, [String(key)]);
  if (holder === undefined) return null;
  const { pid, state, since, text } = holder;
  return {
    pid,
    statement: state === "active" && text !== null ? beginningOf(text) : null,
    since: dateOf(since),
    waitsFor: (await query<WaitRow>(WAITS, [String(pid)])).map(waitOf),
    work: await readWork(query, pid),
  };
}

interface HolderRow {
  readonly pid: number;
  readonly state: string | null;
  readonly since: string | null;
  readonly text: string | null;
}

interface WaitRow {
  /** 0 for a prepared transaction. */
  readonly pid: number;
  readonly application: string | null;
  readonly role: string | null;
  readonly state: string | null;
  readonly kind: string | null;
  readonly since: string | null;
}

function waitOf({ pid, application, role, state, kind, since }: WaitRow): SqlWait {
  return {
    pid: pid === 0 ? null : pid,
    application: orNull(kind ?? application),
    user: orNull(role),
    since: dateOf(since),
    description: pid === 0 ? "a prepared transaction" : describeBackend({
      pid,
      application: application ?? "",
      role,
      state,
      kind,
      prepared: null,
      since,
      waits: false,
    }),
  };
}

function orNull(text: string | null): string | null {
  return text === null || text === "" ? null : harmless(text);
}

function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** At most four words, and nothing that could be a value: another tool may hold the lock, with statements of its own. */
function beginningOf(statement: string): string | null {
  const code = statement.replace(/--[^\n]*/g, "").replace(/\/\*.*?\*\//gs, "").trimStart();
  return /^[a-z_]\w*(?:\s+[a-z_][\w.]*){0,3}/i.exec(code)?.[0].replace(/\s+/g, " ") ?? null;
}

/** What each view counts, the most telling first: how much of how much. */
const VIEWS: Readonly<
  Record<string, readonly (readonly [done: string, total: string, unit: SqlWork["unit"]])[]>
> = {
  pg_stat_progress_create_index: [["tuples_done", "tuples_total", "rows"], [
    "blocks_done",
    "blocks_total",
    "blocks",
  ]],
  pg_stat_progress_cluster: [
    ["heap_blks_scanned", "heap_blks_total", "blocks"],
    ["heap_tuples_scanned", "NULL", "rows"],
  ],
  pg_stat_progress_copy: [["tuples_processed", "NULL", "rows"]],
};

async function readWork(query: Query, pid: number): Promise<SqlWork | null> {
  // Each came with another version of the server.
  const there = await query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'pg_catalog'::regnamespace AND relname IN (SELECT jsonb_array_elements_text($1::text::jsonb))`,
    [JSON.stringify(Object.keys(VIEWS))],
  );
  for (const { name } of there) {
    const counts = VIEWS[name]!.map(([done, total, unit]) => `(${done}::text, ${total}::text, '${unit}')`);
    const phase = name === "pg_stat_progress_copy" ? "'copying'" : "p.phase";
    const [row] = await query<{ phase: string; done: string; total: string | null; unit: SqlWork["unit"] }>(
      `SELECT ${phase} AS phase, c.done, c.total, c.unit
         FROM ${name} p, LATERAL (VALUES ${counts.join(", ")}) AS c (done, total, unit)
        WHERE p.pid = $1::int AND c.done IS NOT NULL
        ORDER BY coalesce(c.total, '0') <> '0' DESC LIMIT 1`,
      [String(pid)],
    );
    if (row === undefined) continue;
    const total = Number(row.total ?? 0);
    return {
      phase: harmless(row.phase),
      done: Number(row.done),
      total: total === 0 ? null : total,
      unit: row.unit,
    };
  }
  return null;
}

const TIME = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const HOLDER = `
  SELECT l.pid, a.state, ${
  TIME("CASE WHEN a.state = 'active' THEN a.query_start ELSE a.state_change END")
} AS since,
         left(a.query, 200) AS text
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND (l.classid::bigint << 32) | l.objid::bigint = $1::bigint
   LIMIT 1`;

const WAITS = `
  SELECT DISTINCT b.pid, a.application_name AS application, a.usename AS role, a.state,
         CASE WHEN a.backend_type <> 'client backend' THEN a.backend_type END AS kind, ${
  TIME("a.xact_start")
} AS since
    FROM unnest(pg_blocking_pids($1::int)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
   ORDER BY since NULLS LAST, b.pid`;
