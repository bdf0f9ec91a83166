/**
 * The lock's half in Postgres: the session advisory lock that golang-migrate takes, so that both tools exclude each other.
 *
 * It is tried, never awaited: who waits inside the server holds a snapshot, and an index that is built concurrently waits
 * for that snapshot, while the lock waits for the build.
 *
 * The lock lives and dies with its connection. That is its fencing, too: a runner that was paused past its lease still has
 * its connection, and its open transaction would commit when it wakes. So the next runner, which holds the lease by then,
 * ends that connection, and the server rolls back. Only such a connection is ended, numbered by what proves it:
 *
 * 1. it holds this advisory lock, and its application name tells this very lock and another lease than ours: since ours is
 *    valid, that one is over;
 * 2. it has been idle for longer than a lease. A runner at work talks over it with every heartbeat;
 * 3. it is idle at the moment: a statement that runs is waited for. The server gives up on a statement by itself when its
 *    client is gone, as `client_connection_check_interval` tells it.
 *
 * A run without a lease, or another tool, is only waited for.
 *
 * @module
 */

import { LockLostError } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import type { LockOwner } from "../lock/lock.ts";
import { pause } from "../pause.ts";
import { isConnectionGone, isServerError } from "./errors.ts";
import type { Query } from "./query.ts";

/** What golang-migrate multiplies its hash by. */
const SALT = 1486364155;

/** Longest name that Postgres keeps of a connection, in bytes. */
const APPLICATION_NAME_BYTES = 63;

/** Stands for the lease in the name of a connection that has none. */
const NO_LEASE = "-";

/** How long a connection that was ended is given to let go of the lock, in milliseconds. */
const EVICTION_MS = 2000;

/**
 * The key of the advisory lock that golang-migrate takes for a version table.
 *
 * @returns Unsigned, below 2^32.
 */
export function golangMigrateLockKey(schema: string, table: string, database: string): bigint {
  return advisoryLockKey([schema, table, database]);
}

/** The rule behind {@linkcode golangMigrateLockKey}, for any number of names. */
export function advisoryLockKey(names: readonly string[]): bigint {
  return BigInt(Math.imul(crc32(names.join("\0")), SALT) >>> 0);
}

/** How the lock is tried. */
export interface AdvisoryLockOptions {
  readonly key: bigint;
  /** Token of the Redis lease that this run holds, or null for a run without Redis. */
  readonly lease: string | null;
  /** Name of the lock in Redis: tells the runners of this deployment from those of another. */
  readonly lockName: string;
  /** Length of the lease in milliseconds. */
  readonly ttlMs: number;
  /** What the connection is called in `pg_stat_activity`; shortened where it does not fit. */
  readonly toolName: string;
}

/**
 * Tries to take the lock on a connection, and ends the connection of a predecessor whose lease ran out. To be called
 * outside a transaction.
 *
 * @returns Null when taken, else who holds it.
 */
export async function tryAdvisoryLock(
  query: Query,
  { key, lease, lockName, ttlMs, toolName }: AdvisoryLockOptions,
): Promise<LockOwner | null> {
  const words = [crc32(lockName).toString(16).padStart(8, "0"), lease ?? NO_LEASE] as const;
  const tool = toolName.slice(0, APPLICATION_NAME_BYTES - words.join("  ").length);
  const name = [tool, ...words].join(" ");
  await query("select set_config('application_name', $1::text, false)", [name]);
  await watchClient(query);
  const deadline = performance.now() + EVICTION_MS;
  while (true) {
    const [tried] = await query<{ taken: boolean }>("select pg_try_advisory_lock($1::bigint) as taken", [
      String(key),
    ]);
    if (tried?.taken === true) return null;
    const holder = await findHolder(query, key);
    // The last two words tell; versions of a tool may bear different names.
    const [itsLock, itsLease] = holder.application_name.split(" ").slice(-2);
    const stale = lease !== null && itsLock === words[0] && itsLease !== lease && itsLease !== NO_LEASE;
    const owner = { ...ownerOf(holder), alive: !stale };
    const mayEnd = holder.pid !== null && stale && performance.now() < deadline;
    if (!mayEnd || !await evict(query, holder, ttlMs)) return owner;
    await pause(20);
  }
}

/**
 * Proves that a connection lives and holds the lock, inside a transaction or outside.
 *
 * @throws {LockLostError} When it does not.
 */
export async function confirmAdvisoryLock(query: Query, key: bigint): Promise<void> {
  let held: boolean;
  try {
    held = (await query(`select 1 from ${HELD} and l.pid = pg_backend_pid()`, halvesOf(key))).length > 0;
  } catch (error) {
    // The server answered on this connection, and the lock lives as long as that does: what failed fails by itself.
    if (isServerError(error) && !isConnectionGone(error)) return;
    throw new LockLostError("Lost the lock: the connection to Postgres that held it is gone", {
      cause: error,
      hint: HINT,
    });
  }
  if (!held) {
    throw new LockLostError("Lost the lock: this connection to Postgres no longer holds it", { hint: HINT });
  }
}

/** Who holds the lock, or null. Reads only, what every role may read. */
export async function readAdvisoryLockOwner(query: Query, key: bigint): Promise<LockOwner | null> {
  const holder = await findHolder(query, key);
  return holder.pid === null ? null : ownerOf(holder);
}

/** Gives the lock back, where the connection lives on. Harmless when it is not held. */
export async function releaseAdvisoryLock(query: Query, key: bigint): Promise<void> {
  // Asked only if held: the server warns otherwise.
  await query(
    `select pg_advisory_unlock($3::bigint) from ${HELD} and l.pid = pg_backend_pid()`,
    [...halvesOf(key), String(key)],
  );
}

/** The advisory lock, by the halves of its key, in the database at hand. */
const HELD = `pg_locks l
  where l.locktype = 'advisory' and l.granted and l.classid::bigint = $1::bigint and l.objid::bigint = $2::bigint
    and l.objsubid = 1 and l.database = (select oid from pg_database where datname = current_database())`;

function halvesOf(key: bigint): [string, string] {
  return [String(key >> 32n), String(key & 0xffffffffn)];
}

const HINT = "Run the same command again: it continues where this one stopped";

/** The backend that holds the lock. What the role may not see is null, and all of it when nobody holds the lock. */
interface Holder {
  readonly pid: number | null;
  readonly application_name: string;
  readonly host: string | null;
  /** Unix milliseconds: a time as text has the form that DateStyle says. */
  readonly started_ms: string | null;
  readonly state: string | null;
  readonly changed_ms: string | null;
}

const NOBODY: Holder = {
  pid: null,
  application_name: "",
  host: null,
  started_ms: null,
  state: null,
  changed_ms: null,
};

async function findHolder(query: Query, key: bigint): Promise<Holder> {
  const [row] = await query<Holder>(
    `select l.pid, coalesce(a.application_name, '') as application_name, host(a.client_addr) as host,
       a.state, ${MILLIS("a.backend_start")} as started_ms, ${MILLIS("a.state_change")} as changed_ms
     from (select l.pid from ${HELD} limit 1) l left join pg_stat_activity a on a.pid = l.pid`,
    halvesOf(key),
  );
  return row ?? NOBODY;
}

const MILLIS = (time: string) => `floor(extract(epoch from ${time}) * 1000)::bigint::text`;

function dateOf(ms: string | null): Date | null {
  return ms === null ? null : new Date(Number(ms));
}

function ownerOf({ pid, application_name, host, started_ms, state, changed_ms }: Holder): LockOwner {
  const [lock = "", lease] = application_name.split(" ").slice(-2);
  const beats = lease !== undefined && /^[0-9a-f]{8}$/.test(lock); // Ours talk over the connection with every heartbeat.
  return {
    host,
    pid: null,
    version: null,
    command: application_name === "" ? null : foreignText(application_name.split(" ", 1)[0] ?? ""),
    migration: null,
    progress: pid === null ? null : `Postgres backend ${pid}${state === null ? "" : `, ${state}`}`,
    acquiredAt: dateOf(started_ms),
    heartbeatAt: beats ? dateOf(changed_ms) : null,
    source: "postgres",
    alive: true,
  };
}

/** Ends the holder's connection if it is still the one that was seen and has been idle for longer than a lease. */
async function evict(query: Query, holder: Holder, ttlMs: number): Promise<boolean> {
  try {
    const rows = await query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where pid = $1::int and application_name = $2::text and state like 'idle%'
         and clock_timestamp() - state_change > $3::double precision * interval '1 millisecond'`,
      [holder.pid, holder.application_name, ttlMs],
    );
    return rows.length > 0;
  } catch (error) {
    if (codeOf(error) === "42501") return false; // Another role's connection: only waited for.
    throw error;
  }
}

/**
 * Has the server notice within half a minute that a client's host is gone, and a client's process while a statement runs;
 * its defaults are hours, and for so long the lock of a dead holder would stay. Settings that a server does not know are
 * left out.
 */
async function watchClient(query: Query): Promise<void> {
  try {
    await query(
      `select set_config(wanted.name, wanted.value, false)
       from (values ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
         ('client_connection_check_interval', '10000')) as wanted (name, value)
       join pg_settings using (name)`,
    );
  } catch (error) {
    if (codeOf(error) !== "22023") throw error; // This server's system cannot watch: its defaults must do.
  }
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** CRC-32 as of IEEE 802.3, unsigned. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
