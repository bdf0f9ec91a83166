/**
 * Writers of an old release that never stand still: events, deliveries with upserts, rows of the index, in transactions of several
 * statements over few keys, so that they get in each other's way.
 *
 * @module
 */

import type postgres from "postgres";

/** Writes until it is stopped. */
export class OldApplication implements AsyncDisposable {
  readonly #writers: Promise<void>[];
  #stopped = false;
  /** Transactions that were committed. */
  commits = 0;

  /** @param connect Gives each writer a connection of its own. @param seed The same seed wants the same statements. */
  constructor(connect: () => postgres.Sql, { writers = 3, seed = 1 } = {}) {
    this.#writers = Array.from(
      { length: writers },
      (_, i) => this.#write(connect(), numbers(seed * 1000 + i)),
    );
    // What ends one is told by `stop()`, and keeps nobody waiting until then.
    Promise.all(this.#writers).catch(() => this.#stopped = true);
  }

  /** Waits until so many transactions more are committed. */
  async more(transactions: number): Promise<void> {
    const wanted = this.commits + transactions;
    while (this.commits < wanted && !this.#stopped) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Ends the writers. @throws What kept one of them from writing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#writers);
  }

  async #write(sql: postgres.Sql, next: (below: number) => number): Promise<void> {
    try {
      while (!this.#stopped) {
        try {
          const statements = Array.from({ length: 1 + next(4) }, () => statementOf(next));
          await sql.begin(async (transaction) => {
            for (const text of statements) await transaction.unsafe(text);
            if (next(10) === 0) await transaction`SELECT pg_sleep(0.02)`;
            if (next(20) === 0) throw new Undone();
          });
          this.commits++;
        } catch (error) {
          if (!(error instanceof Undone) && !TOLERATED.has((error as { code?: string }).code ?? "")) {
            throw error;
          }
        }
      }
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

class Undone extends Error {}

/** A deadlock between writers, and a key that another one took. */
const TOLERATED = new Set(["40P01", "23505"]);

/** Pseudo-random whole numbers below a bound. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KEYS = 60;

function statementOf(next: (below: number) => number): string {
  const [n, m, status] = [next(KEYS), next(KEYS), ["success", "failed"][next(2)]];
  const event = `'live_${n}'`;
  // A delivery and its event keep their times, so that an upsert finds them; some IDs of events occur at two times.
  const eventTime = `timestamptz '2025-04-01 00:00:00.123457+00' + ${n} * interval '1 second' + ${
    next(6) === 0 ? "interval '1 hour'" : "interval '0'"
  }`;
  const deliveryTime = `timestamptz '2025-04-02 00:00:00.654321+00' + ${m} * interval '1 second'`;
  const insertEvent =
    `INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
     VALUES (${event}, 'tenant_${n % 3}', 'dest_${next(4)}', ${eventTime}, 'topic', true, '{"n": ${
      next(1000)
    }}', '{}')`;
  const insertDelivery =
    `INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
     VALUES ('del_${m}', ${event}, 'dest_${next(4)}', '${status}', ${deliveryTime}, '200', '{"a": ${
      next(1000)
    }}', false, 1)`;
  return [
    `${insertEvent} ON CONFLICT (time, id) DO NOTHING`,
    `${insertEvent} ON CONFLICT (time, id) DO UPDATE SET data = excluded.data, destination_id = excluded.destination_id`,
    `${insertDelivery} ON CONFLICT (time, id) DO UPDATE SET status = excluded.status, response_data = excluded.response_data`,
    `${insertDelivery} ON CONFLICT (time, id) DO UPDATE SET event_id = excluded.event_id, attempt = deliveries.attempt + 1`,
    `INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
     VALUES (${event}, 'del_${m}', 'tenant_0', 'dest_0', ${eventTime}, ${deliveryTime}, 'topic', '${status}')
     ON CONFLICT (delivery_time, event_id, delivery_id) DO UPDATE SET status = excluded.status`,
    `DELETE FROM events WHERE id = ${event}`,
    `DELETE FROM deliveries WHERE id = 'del_${m}'`,
    `DELETE FROM event_delivery_index WHERE event_id = ${event}`,
    `UPDATE events SET time = time + interval '1 microsecond' WHERE id = ${event}`,
    `UPDATE events SET id = 'live_${next(KEYS)}_moved', data = data || '{"moved": true}' WHERE id = ${event}`,
    `UPDATE deliveries SET time = time - interval '1 day' WHERE id = 'del_${m}'`,
    // Old rows too, of which some are copied by now and some are not.
    `UPDATE deliveries SET status = '${status}' WHERE id = 'd_${next(390)}'`,
    `UPDATE events SET topic = 'changed_${next(9)}', destination_id = 'dest_${next(4)}' WHERE id = 'e_${
      next(400)
    }'`,
    `DELETE FROM events WHERE id = 'e_${next(400)}'`,
    `SELECT count(*) FROM deliveries WHERE event_id = ${event}`,
  ][next(15)]!;
}
