/**
 * Locks the tables of a step without holding the application up in a queue.
 *
 * Whoever waits for a strong lock makes everybody wait who comes after. So a step looks first who is in its way, and queues only
 * where no long transaction is: short ones are over in a moment. A SHARE UPDATE EXCLUSIVE lock is taken before: it stops no
 * reader and no writer, and the server sends an autovacuum away for it, once it has waited for `deadlock_timeout`.
 *
 * @module
 */

import type { SqlStatement, TableLocks } from "../sql/statement.ts";
import { describeHolders, findHolders, type LockHolder } from "./lock_holders.ts";
import type { Query } from "./query.ts";

/** Somebody is in the way who will not be gone in a moment. Nothing was waited for. */
export class TablesHeld extends Error {
  /** The statement that was to lock them. */
  readonly statement: string;
  readonly #wanted: TableLocks;
  readonly holders: readonly LockHolder[];

  constructor(statement: string, wanted: TableLocks, holders: readonly LockHolder[]) {
    super(describeHolders(holders));
    this.statement = statement;
    this.#wanted = wanted;
    this.holders = holders;
  }

  /** True where waiting is in vain: a holder waits for the locks that this connection has. */
  get inVain(): boolean {
    return this.holders.some(({ waitsForUs }) => waitsForUs);
  }

  /** True as soon as none of those who were in the way holds the tables any more. */
  async over(query: Query): Promise<boolean> {
    const were = new Set(this.holders.map(({ transaction }) => transaction));
    const now = await findHolders(query, { ...this.#wanted, server: false });
    return !now.some(({ transaction, waitsForUs }) => were.has(transaction) && !waitsForUs);
  }
}

/** Takes the locks of one connection. */
export class TableLocker {
  readonly #lockTimeoutMs: number;
  /** From this age on a transaction is not expected to be over in time, in milliseconds. */
  readonly #longMs: number;
  /** Who was in the way at the last look; null where nothing was in vain since. */
  #seen: ReadonlySet<string> | null = null;
  /** Tables that were not had in time, the last one first. */
  #first: readonly string[] = [];

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
    for (const table of this.#inOrder(locks.tables)) {
      try {
        await query(`LOCK TABLE ${table} IN ${locks.mode} MODE`);
      } catch (error) {
        // Whoever has it and is waited for in vain may itself wait for one that was locked before.
        this.#first = [table, ...this.#first.filter((other) => other !== table)];
        throw error;
      }
    }
    this.#seen = null;
  }

  /** An application that writes its tables in one order is met in that order, after a few tries at most. */
  #inOrder(tables: readonly string[]): readonly string[] {
    return [
      ...this.#first.filter((table) => tables.includes(table)),
      ...tables.filter((table) => !this.#first.includes(table)),
    ];
  }

  async #look(query: Query, statement: string, { tables, mode, ahead = mode }: TableLocks): Promise<void> {
    const wanted = { tables, mode: ahead };
    const holders = await findHolders(query, { ...wanted, server: false });
    const before = this.#seen;
    this.#seen = new Set(holders.map(({ transaction }) => transaction));
    // Who was waited for is followed by others of the same length where that is how the application works: they are queued for.
    const again = (transaction: string, first: boolean) => before === null ? first : before.has(transaction);
    const long = holders.filter(({ transaction, ageMs, waitsForUs }) =>
      waitsForUs ||
      (ageMs === null ? again(transaction, false) : ageMs >= this.#longMs && again(transaction, true))
    );
    if (long.length > 0) throw new TablesHeld(statement, wanted, long);
  }

  async #sendAutovacuumAway(query: Query, tables: readonly string[]): Promise<void> {
    await Promise.all([
      query(PATIENT, [this.#lockTimeoutMs]),
      query(`LOCK TABLE ${tables.join(", ")} IN SHARE UPDATE EXCLUSIVE MODE`),
      query("SELECT set_config('lock_timeout', $1::text, true)", [String(this.#lockTimeoutMs)]),
    ]);
  }
}

// A little longer than the server waits before it looks whom it waits for; 0 is no limit at all.
const PATIENT = `
  SELECT set_config('lock_timeout', CASE WHEN $1::int = 0 THEN '0' ELSE greatest($1::int, setting::int + 500)::text END, true)
    FROM pg_settings WHERE name = 'deadlock_timeout'`;
