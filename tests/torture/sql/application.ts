/**
 * The application that writes the log all along: events, deliveries with upserts, rows of the index, and reads. It writes the
 * columns that the tables have, as its releases do one after the other. A row counts once the server has committed it.
 *
 * @module
 */

import type postgres from "postgres";
import type { LogAction } from "./history.ts";
import { type Delivery, type LogLedger, makeDelivery, makeEvent, makeIndexRow, type Row } from "./ledger.ts";

/** Longer than anything may hold the application up. */
const PATIENCE_MS = 60_000;

/** What a step does to a statement that meets it: another has the lock, or the tables are others than a moment ago. */
const MET_IN_BETWEEN: ReadonlySet<string> = new Set(["57014", "55P03", "40P01", "40001", "42P01", "42703"]);

/** One application with one connection for writing and one for reading. */
export class LogApplication {
  readonly #writer: postgres.Sql;
  readonly #reader: postgres.Sql;
  readonly #ledger: LogLedger;
  readonly #pending = new Set<Promise<void>>();
  #writes: Promise<unknown> = Promise.resolve();
  #count = 0;
  /** Rows in the far future, where the operator makes partitions. */
  far = false;

  constructor(connect: () => postgres.Sql, ledger: LogLedger) {
    [this.#writer, this.#reader] = [connect(), connect()];
    this.#ledger = ledger;
  }

  /** Fills an old log: events with deliveries, some without an event, and the index. */
  async fill(events: number): Promise<void> {
    for (let i = 0; i < events; i++) {
      await this.#event(++this.#count);
      await this.#delivery(i);
      if (i % 8 === 0) await this.#orphan();
      if (i % 2 === 0) await this.#indexRow(i);
    }
  }

  /** Begins something; a migration may hold it up. */
  act(action: LogAction, at: number): void {
    if (action === "read") return this.#keep(this.#read());
    // One after the other, as rows of one connection.
    const done = this.#writes.then(() => this.#write(action, at)).catch((error) => this.#refused(error));
    this.#writes = done;
    this.#keep(done);
  }

  /** Waits for what was begun. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #keep(work: Promise<void>): void {
    this.#pending.add(work);
    work.then(() => this.#pending.delete(work), () => {});
  }

  async #write(action: Exclude<LogAction, "read">, at: number): Promise<void> {
    switch (action) {
      case "event":
        return await this.#event(++this.#count);
      case "delivery":
        return await this.#delivery(at);
      case "orphan":
        return await this.#orphan();
      case "index_row":
        return await this.#indexRow(at);
      case "late_event":
        return await this.#lateEvent(at);
      case "replay":
        return await this.#replay(at);
      case "forget":
        return await this.#forget(at);
    }
  }

  async #event(n: number): Promise<void> {
    const row = makeEvent(n, this.far);
    if ((await this.#insert("events", row)).length > 0) this.#ledger.events.set(String(row.id), row);
  }

  /** Delivers an event for the first time, or tells how it went since. */
  async #delivery(at: number): Promise<void> {
    const event = nth(this.#ledger.events, at);
    if (event === undefined) return;
    // One without an event may be in the quarantine, where an upsert does not find it.
    const known = [...this.#ledger.deliveries.entries()].filter(([, { row, hasEvent }]) =>
      hasEvent && row.event_id === event.id
    );
    const again = known[at % (known.length + 1)];
    const n = ++this.#count;
    const number = again === undefined ? n : Number(again[0].slice("del_".length));
    const fresh = makeDelivery(number, event, n, this.far);
    const row = again === undefined ? fresh : { ...fresh, time: again[1].row.time };
    const columns = await this.#insert(await this.#deliveries(), row, true);
    if (columns.length === 0) return;
    if (again !== undefined) Object.assign(again[1], { row, columns });
    else this.#ledger.deliveries.set(String(row.id), { hasEvent: true, row, columns, shadowed: null });
  }

  async #orphan(): Promise<void> {
    const n = ++this.#count;
    const row = makeDelivery(n, makeEvent(100_000 + n, false), n, this.far);
    const table = await this.#deliveries();
    // Attempts carry their event: later releases write none without.
    if (table !== "deliveries") return;
    const columns = await this.#insert(table, row, true);
    if (columns.length === 0) return;
    this.#ledger.deliveries.set(String(row.id), { hasEvent: false, row, columns, shadowed: null });
  }

  async #indexRow(at: number): Promise<void> {
    const delivery = nth(this.#ledger.deliveries, at);
    if (delivery === undefined || !(await this.#columns("event_delivery_index")).length) return;
    const row = makeIndexRow(delivery.row);
    if (this.#ledger.indexRows.has(`${row.event_id} ${row.delivery_id}`)) return;
    const columns = await this.#insert("event_delivery_index", row);
    if (columns.length === 0) return;
    const written = Object.fromEntries(columns.map((name) => [name, row[name]]));
    this.#ledger.indexRows.set(`${row.event_id} ${row.delivery_id}`, written);
  }

  /** The event of a delivery that came before it. */
  async #lateEvent(at: number): Promise<void> {
    const orphan = nthOrphan(this.#ledger, at);
    if (orphan === undefined) return;
    const row = makeEvent(Number(String(orphan.row.event_id).slice("evt_".length)), false);
    if (this.#ledger.events.has(String(row.id))) return;
    if ((await this.#insert("events", row)).length === 0) return;
    this.#ledger.events.set(String(row.id), row);
    // It came before step 5, which finds it: also where deliveries without an event are kept aside already.
    if (await this.#deliveries() === "deliveries") orphan.hasEvent ||= orphan.shadowed === null;
  }

  /** A current application delivers again, under a key that an old delivery without an event had. */
  async #replay(at: number): Promise<void> {
    const orphan = nthOrphan(this.#ledger, at);
    const event = nth(this.#ledger.events, at);
    if (orphan === undefined || event === undefined || orphan.shadowed !== null) return;
    if (await this.#deliveries() !== "attempts") return;
    const n = Number(String(orphan.row.id).slice("del_".length));
    const row = { ...makeDelivery(n, event, ++this.#count, false), time: orphan.row.time };
    if ((await this.#insert("attempts", row)).length === 0) return;
    orphan.shadowed = orphan.row;
    orphan.row = row;
  }

  /** What is old is deleted, as somebody who keeps a log does now and then. */
  async #forget(at: number): Promise<void> {
    const known = [...this.#ledger.deliveries.values()].filter(({ hasEvent, shadowed }) =>
      hasEvent && shadowed === null
    );
    const row = known[at % Math.max(1, known.length)]?.row;
    if (row === undefined) return;
    const { id, time } = row as { readonly id: string; readonly time: string };
    await this.#writer.unsafe(`set statement_timeout = ${PATIENCE_MS}`);
    const gone = await this.#writer.unsafe(
      `delete from ${await this.#deliveries()} where time = $1::text::timestamptz and id = $2 returning id`,
      [time, id],
    );
    if (gone.length === 0 || !this.#ledger.deliveries.delete(id)) return;
    this.#ledger.forgotten.add(id);
  }

  async #read(): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#reader.unsafe(`set statement_timeout = ${PATIENCE_MS}`);
      for (const table of ["events", await this.#deliveries()]) {
        await this.#reader.unsafe(`select count(*) from ${table}`);
      }
    } catch (error) {
      this.#refused(error);
    }
    this.#ledger.waits.push(performance.now() - startedAt);
  }

  #refused(error: unknown): void {
    if (!isRefusal(error)) throw error;
    // A table that was made anew on the way back belongs to its owner alone, as with any tool, until somebody grants it.
    if (error.message.includes("event_delivery_index")) return;
    // What a preparation notes of a write, it notes as the owner, who may not look into the schema for a while.
    if (error.message.includes("permission denied for schema")) return;
    if (!MET_IN_BETWEEN.has(error.code)) this.#ledger.refusals.push(`${error.code}: ${error.message}`);
  }

  /** Inserts the columns that the table has. @returns These; none when there is no such table. */
  async #insert(table: string, row: Row, upsert = false): Promise<string[]> {
    const columns = (await this.#columns(table)).filter((name) => name in row);
    if (columns.length === 0) return [];
    const names = columns.join(", ");
    const onConflict = upsert
      ? ` on conflict (time, id) do update set ${
        columns.filter((name) => name !== "time" && name !== "id").map((name) => `${name} = excluded.${name}`)
          .join(", ")
      }`
      : "";
    await this.#writer.unsafe(`set statement_timeout = ${PATIENCE_MS}`);
    await this.#writer.unsafe(
      `insert into ${table} (${names}) select ${names} from jsonb_populate_record(null::${table}, $1::text::jsonb)${onConflict}`,
      [JSON.stringify(row)],
    );
    return columns;
  }

  async #deliveries(): Promise<"deliveries" | "attempts"> {
    return (await this.#columns("attempts")).length > 0 ? "attempts" : "deliveries";
  }

  async #columns(table: string): Promise<string[]> {
    const rows = await this.#writer.unsafe<{ attname: string }[]>(
      `select attname from pg_attribute where attrelid = to_regclass('${table}') and attnum > 0 and not attisdropped
         and attgenerated = ''`,
    );
    return rows.map(({ attname }) => attname);
  }
}

function nth<T>(map: ReadonlyMap<string, T>, at: number): T | undefined {
  return [...map.values()][at % Math.max(1, map.size)];
}

function nthOrphan({ deliveries }: LogLedger, at: number): Delivery | undefined {
  const orphans = [...deliveries.values()].filter(({ hasEvent }) => !hasEvent);
  return orphans[at % Math.max(1, orphans.length)];
}

/** The server said no: nothing was written. */
export function isRefusal(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && /^[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));
}
