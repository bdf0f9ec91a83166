/**
 * Locks the tables of a step without holding the application up in a queue.
 *
 * Whoever waits for a strong lock makes everybody wait who comes after. So a step looks first who is in its way, and queues only
 * where no long transaction is: short ones are over in a moment. A SHARE UPDATE EXCLUSIVE lock is taken before: it stops no
 * reader and no writer, and the server sends an autovacuum away for it, once it has waited for `deadlock_timeout`.
 *
 * @module
 */

import type { SqlStatement, TableLocks } from "../sql/step.ts";
import { describeHolders, findHolders, type LockHolder } from "./lock_holders.ts";
import type { Query } from "./query.ts";

/** Somebody is in the way who will not be gone in a moment. Nothing was waited for. */
export class TablesHeld extends Error {
  /** The statement that was to lock them. */
  readonly statement: string;
  readonly locks: TableLocks;
  readonly holders: readonly LockHolder[];

  constructor(statement: string, locks: TableLocks, holders: readonly LockHolder[]) {
    super(describeHolders(holders));
    this.statement = statement;
    this.locks = locks;
    this.holders = holders;
  }

  /** True where waiting is in vain: a holder waits for the locks that this connection has. */
  get inVain(): boolean {
    return this.holders.some(({ waitsForUs }) => waitsForUs);
  }

  /** True as soon as none of those who were in the way holds the tables any more. */
  async over(query: Query): Promise<boolean> {
    const were = new Set(this.holders.map(({ transaction }) => transaction));
    const now = await findHolders(query, { ...this.locks, server: false });
    return !now.some(({ transaction, waitsForUs }) => were.has(transaction) && !waitsForUs);
  }
}

/** Takes the locks of one connection. */
export class TableLocker {
  readonly #lockTimeoutMs: number;
  /** From this age on a transaction is not expected to be over in time, in milliseconds. */
  readonly #longMs: number;
  /** Who was seen before, for servers that do not tell how old a transaction is. */
  #seen: ReadonlySet<string> = new Set();

  /** @param lockTimeoutMs How long a strong lock may be queued for; 0 for no limit. */
  constructor(lockTimeoutMs: number) {
    this.#lockTimeoutMs = lockTimeoutMs;
    this.#longMs = (lockTimeoutMs === 0 ? 1000 : lockTimeoutMs) / 2;
  }

  /**
   * Runs the statement that locks tables, within a transaction.
   *
   * @throws {TablesHeld} When a long transaction is in the way; what the query throws when the queue takes too long.
   */
  async take(query: Query, { text, locks, retriesAlone = false }: SqlStatement): Promise<void> {
    if (locks === undefined) throw new TypeError(`No lock: ${text}`);
    await this.#look(query, text, locks);
    // After long work the weaker lock is held already.
    if (!retriesAlone) await this.#sendAutovacuumAway(query, locks.tables);
    await query(text);
  }

  async #look(query: Query, statement: string, locks: TableLocks): Promise<void> {
    const holders = await findHolders(query, { ...locks, server: false });
    const before = this.#seen;
    this.#seen = new Set(holders.map(({ transaction }) => transaction));
    const long = holders.filter(({ transaction, ageMs, waitsForUs }) =>
      waitsForUs || (ageMs === null ? before.has(transaction) : ageMs >= this.#longMs)
    );
    if (long.length > 0) throw new TablesHeld(statement, locks, long);
  }

  async #sendAutovacuumAway(query: Query, tables: readonly string[]): Promise<void> {
    await query(PATIENT, [this.#lockTimeoutMs]);
    await query(`LOCK TABLE ${tables.join(", ")} IN SHARE UPDATE EXCLUSIVE MODE`);
    await query("SELECT set_config('lock_timeout', $1::text, true)", [String(this.#lockTimeoutMs)]);
  }
}

// A little longer than the server waits before it looks whom it waits for; 0 is no limit at all.
const PATIENT = `
  SELECT set_config('lock_timeout', CASE WHEN $1::int = 0 THEN '0' ELSE greatest($1::int, setting::int + 500)::text END, true)
    FROM pg_settings WHERE name = 'deadlock_timeout'`;
