/**
 * The operator and other people in the database: readers that take long, prepared transactions, partitions, row security, views.
 *
 * @module
 */

import type postgres from "postgres";
import { isRefusal } from "./application.ts";
import { type LogDatabase, OWNER } from "./databases.ts";
import type { OperatorAction } from "./history.ts";
import { FAR_YEAR, type LogLedger, makeEvent } from "./ledger.ts";

/** Nobody's statement queues for long: it would hold up the application behind it. */
const LOCK_TIMEOUT_MS = 300;

/** Partitions by whichever name they have: of the events, and of what was delivered. */
const PARTITIONS = { events: "('events_default')", deliveries: "('attempts_default', 'deliveries_default')" };
const named = (query: (names: string) => string) => ({
  events: query(PARTITIONS.events),
  deliveries: query(PARTITIONS.deliveries),
});
const TOAST = named((names) =>
  `select from pg_class c join pg_class t on t.oid = c.reltoastrelid
    where c.relname in ${names} and t.reloptions is not null and c.relnamespace = current_schema()::regnamespace`
);
const SUBSCRIBED = named((names) =>
  `select from pg_class c join pg_subscription_rel on srrelid = c.oid
    where c.relname in ${names} and c.relnamespace = current_schema()::regnamespace`
);

/** Does what others do, and undoes it. */
export class Operator {
  readonly #database: LogDatabase;
  readonly #ledger: LogLedger;
  readonly #owner: postgres.Sql;
  /** The server's own user: where prepared transactions come from. */
  readonly #super: postgres.Sql;
  readonly #elsewhere: boolean;
  readonly #undo: (() => Promise<void>)[] = [];
  #work: Promise<void> = Promise.resolve();
  #count = 0;
  /** There are partitions for rows in the far future. */
  partitioned = false;
  /** A default partition is none at the moment. */
  detached = false;
  /** What is there in the end, as queries. */
  readonly #kept = new Set<string>();

  /** @param elsewhere Partitions stand in a schema of their own. */
  constructor(database: LogDatabase, ledger: LogLedger, elsewhere: boolean) {
    this.#elsewhere = elsewhere;
    this.#database = database;
    this.#ledger = ledger;
    [this.#owner, this.#super] = [database.connect("owner"), database.connect("super")];
  }

  /** Begins something. What a lock keeps from happening does not happen. */
  act(action: OperatorAction, at: number): void {
    const done = this.#work.then(() => this.#do(action, at)).catch((error) => {
      if (!isRefusal(error)) throw error;
    });
    this.#work = done;
  }

  /** Waits for what was begun. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Undoes everything that lasts. */
  async relax(): Promise<void> {
    await this.#work;
    await this.#relax();
  }

  /** Has tables for itself while some work is done; when it cannot have them, the work is not done. */
  async whileLocked(tables: readonly string[], work: () => Promise<void>): Promise<void> {
    const client = this.#database.connect("super");
    await client.begin(async (sql) => {
      await sql.unsafe(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      for (const table of tables) {
        const [found] = await sql`select to_regclass(${table}) as name`;
        if (found!.name !== null) await sql.unsafe(`lock table ${table} in access exclusive mode`);
      }
      await work();
    }).catch((error) => {
      if (!isRefusal(error)) throw error;
    });
    await client.end({ timeout: 0 });
  }

  async #do(action: OperatorAction, at: number): Promise<void> {
    await this.#owner.unsafe(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
    switch (action) {
      case "long_reader":
        return await this.#readForLong();
      case "prepared_transaction":
        return await this.#prepare();
      case "partition":
        return await this.#partition(at % 3 === 1);
      case "row_security":
        return await this.#secure(at);
      case "view":
        return await this.#view();
      case "detach":
        return await this.#detach(at);
      case "toast":
        return await this.#setToast(at);
      case "subscription":
        return await this.#subscribe(at);
      case "revoke_usage":
        return await this.#revokeUsage();
      case "relax":
        return await this.#relax();
    }
  }

  /** Undoes all; what something else of it holds up is undone after that, and what a run holds up the next time. */
  async #relax(): Promise<void> {
    let left = this.#undo.splice(0).reverse();
    for (let before = Infinity; left.length < before;) {
      before = left.length;
      const held: typeof left = [];
      for (const undo of left) {
        await undo().catch((error) => {
          if (!isRefusal(error)) throw error;
          held.push(undo);
        });
      }
      left = held;
    }
    this.#undo.push(...left.reverse());
  }

  async #readForLong(): Promise<void> {
    const client = this.#database.connect("super");
    await client.unsafe(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.unsafe("begin");
    this.#undo.push(() => client.end({ timeout: 0 }));
    await client.unsafe(`select count(*) from ${await this.#deliveries()}`);
    await client.unsafe("select count(*) from events");
  }

  async #prepare(): Promise<void> {
    const n = 500_000 + ++this.#count;
    const row = makeEvent(n, false);
    const name = `p${n}`;
    await this.#super.unsafe(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const columns = (await this.#columns("events")).filter((column) => column in row).join(", ");
    await this.#super.unsafe("begin");
    try {
      await this.#super.unsafe(
        `insert into events (${columns}) select ${columns} from jsonb_populate_record(null::events, $1::text::jsonb)`,
        [JSON.stringify(row)],
      );
      await this.#super.unsafe(`prepare transaction '${name}'`);
    } catch (error) {
      await this.#super.unsafe("rollback");
      throw error;
    }
    this.#undo.push(async () => {
      await this.#super.unsafe(`commit prepared '${name}'`);
      this.#ledger.events.set(String(row.id), row);
    });
  }

  /** @param deep Those of the events have partitions of their own. */
  async #partition(deep: boolean): Promise<void> {
    if (this.partitioned) return;
    const place = this.#elsewhere ? "op_elsewhere." : "";
    if (this.#elsewhere) await this.#owner.unsafe("create schema if not exists op_elsewhere");
    const bound = `for values from ('${FAR_YEAR}-01-01') to ('${FAR_YEAR}-02-01')`;
    for (const table of ["events", await this.#deliveries()]) {
      const parts = deep && table === "events"
        ? ` partition by range (time); create table ${place}op_deep partition of ${place}op_events ${bound}`
        : "";
      await this.#owner.unsafe(`create table ${place}op_${table} partition of ${table} ${bound}${parts}`);
    }
    this.partitioned = true;
  }

  async #secure(at: number): Promise<void> {
    const tables = ["events", await this.#deliveries()];
    if ((await this.#columns("event_delivery_index")).length > 0) tables.push("event_delivery_index");
    const table = tables[at % tables.length]!;
    await this.#owner.unsafe(`alter table ${table} enable row level security, force row level security`);
    this.#undo.push(async () => {
      // By whichever name it has now.
      for (const name of ["events", "attempts", "deliveries", "event_delivery_index"]) {
        await this.#owner.unsafe(
          `alter table if exists ${name} disable row level security, no force row level security`,
        );
      }
    });
  }

  async #view(): Promise<void> {
    const [name, table] = [`op_view_${++this.#count}`, await this.#deliveries()];
    const query = this.#count % 2 === 0 ? "select data from events" : `select response_data from ${table}`;
    await this.#owner.unsafe(`create view ${name} as ${query}`);
    this.#undo.push(async () => void await this.#owner.unsafe(`drop view if exists ${name}`));
  }

  /** Rows of a default partition are put aside for a while. */
  async #detach(at: number): Promise<void> {
    const table = at % 2 === 0 ? "events" : await this.#deliveries();
    await this.#owner.unsafe(`alter table ${table} detach partition ${table}_default`);
    this.detached = true;
    this.#undo.push(async () => {
      await this.#owner.unsafe(`alter table ${table} attach partition ${table}_default default`);
      this.detached = false;
    });
  }

  /** Options of what is stored beside a partition, which stay on it. */
  async #setToast(at: number): Promise<void> {
    const table = at % 2 === 0 ? "events" : await this.#deliveries();
    await this.#owner.unsafe(`alter table ${table}_default set (toast.autovacuum_enabled = off)`);
    this.#kept.add(table === "events" ? TOAST.events : TOAST.deliveries);
  }

  /** A subscription fills a partition, which it knows by its number. */
  async #subscribe(at: number): Promise<void> {
    const table = at % 2 === 0 ? "events" : await this.#deliveries();
    const name = `op_subscription_${this.#database.schema}_${++this.#count}`;
    await this.#super.unsafe(
      `create subscription ${name} connection 'host=nowhere' publication theirs with (connect = false)`,
    );
    await this.#super.unsafe(`set allow_system_table_mods = on;
      insert into pg_subscription_rel select oid, '${table}_default'::regclass, 'r' from pg_subscription where subname = '${name}';
      reset allow_system_table_mods`);
    this.#kept.add(table === "events" ? SUBSCRIBED.events : SUBSCRIBED.deliveries);
  }

  /** What was put on partitions for good and is not there any more. */
  async missing(): Promise<string[]> {
    const missing: string[] = [];
    for (const query of this.#kept) {
      const [row] = await this.#super.unsafe(`select exists (${query}) as there`);
      if (!row!.there) missing.push(query);
    }
    return missing;
  }

  /** The role that migrates may no longer look into its own schema: the server passes it by, and goes on with the next of the search path. */
  async #revokeUsage(): Promise<void> {
    const { schema } = this.#database;
    const holders = schema === "public" ? "public, pg_database_owner" : OWNER;
    await this.#super.unsafe(`revoke usage on schema ${schema} from ${holders}`);
    this.#undo.push(async () =>
      void await this.#super.unsafe(`grant usage on schema ${schema} to ${holders}`)
    );
  }

  async #deliveries(): Promise<string> {
    return (await this.#columns("attempts")).length > 0 ? "attempts" : "deliveries";
  }

  async #columns(table: string): Promise<string[]> {
    const rows = await this.#super.unsafe<{ attname: string }[]>(
      `select attname from pg_attribute where attrelid = to_regclass('${table}') and attnum > 0 and not attisdropped
         and attgenerated = ''`,
    );
    return rows.map(({ attname }) => attname);
  }
}
