/**
 * The PostgreSQL that histories play on: one server, and for each history a database as a released Outpost left it, copied from
 * one that was made once.
 *
 * @module
 */

import type postgres from "postgres";
import { bringToVersion } from "../../support/outpost_database.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import type { Stores } from "../runner.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Start } from "./history.ts";
import { makeDelivery, makeEvent } from "./ledger.ts";

/** Who owns the tables and runs the program: no super-user, so that row security counts. */
export const OWNER = "outpost";
/** Who writes the log: it has been granted what it needs, and policies do not hold it up. */
const WRITER = "outpost_application";
/** The version of the other Outpost, where there is one. */
const NEIGHBOUR_VERSION = 6;
/** What a standby needs as its primary has it; and that much of the log is kept for one that is late. */
const SETTINGS = { max_prepared_transactions: "20", timezone: "UTC", wal_keep_size: "256MB" };
/** The version of the last step that makes a table. */
const LAST_NEW_TABLE = 3;
/** Where nothing answers on an address of a runner's own. */
const NOBODY = 9;

/** A database of one history. */
export interface LogDatabase extends AsyncDisposable, Stores {
  readonly schema: string;
  /**
   * A new connection of its own.
   *
   * @param user The owner without any settings of its own, the application, or the super-user, whom row security does not hold up.
   */
  connect(user: "owner" | "application" | "super"): postgres.Sql;
}

/** The server and the templates. */
export class Databases implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #admin: postgres.Sql;
  readonly #templates = new Map<string, Promise<string>>();
  readonly #schemas = new Map<number, ReadonlySet<string>>();
  #standby: Promise<PostgresServer> | null = null;
  #count = 0;

  private constructor(server: PostgresServer, admin: postgres.Sql) {
    this.#server = server;
    this.#admin = admin;
  }

  static async start(): Promise<Databases> {
    const server = await startPostgres(SETTINGS);
    const admin = server.client(urlOf(server, "postgres", "postgres", "public"), { max: 1 });
    await admin.unsafe(`create role ${OWNER} login; create role ${WRITER} login bypassrls`);
    return new Databases(server, admin);
  }

  /** A database for one history. */
  async create({ version, schema, reordered, hosts, settings }: Start): Promise<LogDatabase> {
    const template = await this.#template(version, schema);
    const name = `history_${++this.#count}`;
    await this.#admin.unsafe(`create database ${name} template ${template} owner ${OWNER}`);
    const clients: postgres.Sql[] = [];
    const path = schema === "public" ? "public" : `${schema},public`;
    const port = this.#server.port;
    const connect = (user: "owner" | "application" | "super") => {
      // Unlike the program, whoever writes here means this one schema.
      const url = urlOf(this.#server, name, user === "application" ? WRITER : "postgres", schema);
      const role = user === "owner" ? { role: OWNER } : {};
      const client = this.#server.client(url, { max: 1, connection: { timezone: "UTC", ...role } });
      clients.push(client);
      return client;
    };
    const inRole = settings.program.includes("search_path");
    for (const setting of settings.program) {
      const assignment = setting === "search_path" ? `search_path = ${path}` : setting;
      await this.#admin.unsafe(`alter role ${OWNER} in database ${name} set ${assignment}`);
    }
    for (const setting of settings.application) {
      await this.#admin.unsafe(`alter role ${WRITER} in database ${name} set ${setting}`);
    }
    if (reordered && version >= 4 && version < 5) await reorder(connect("owner"));
    const other = hosts === null ? [] : [hosts.other === "nobody" ? NOBODY : await this.#followed()];
    const named = hosts?.first ? [...other, port] : [port, ...other];
    const wanted = hosts?.wanted == null ? "" : `&target_session_attrs=${hosts.wanted}`;
    return {
      schema,
      connect,
      protocol: "postgres",
      ports: named.filter((one) => one !== NOBODY),
      targetOf: (one) => one,
      env: (host) => {
        const places = named.map((one) => `${host}:${one}`).join(",");
        const searched = inRole ? "" : `search_path=${path}`;
        return { POSTGRES_URL: `postgres://${OWNER}@${places}/${name}?${searched}${wanted}` };
      },
      [Symbol.asyncDispose]: async () => {
        await Promise.all(clients.map((client) => client.end({ timeout: 0 })));
        const subscriptions = await this.#admin`
          select subname from pg_subscription join pg_database d on d.oid = subdbid where datname = ${name}`
          .values();
        for (const [one] of subscriptions) {
          const client = this.#server.client(urlOf(this.#server, name, "postgres", "public"), { max: 1 });
          await client.unsafe(`alter subscription ${one} set (slot_name = none); drop subscription ${one}`);
          await client.end();
        }
        for (
          const [gid] of await this.#admin`select gid from pg_prepared_xacts where database = ${name}`
            .values()
        ) {
          const client = this.#server.client(urlOf(this.#server, name, "postgres", "public"), { max: 1 });
          await client.unsafe(`rollback prepared '${gid}'`);
          await client.end();
        }
        await this.#admin.unsafe(`drop database ${name} with (force)`);
      },
    };
  }

  /** A standby that has all that the primary has by now. @returns Its port. */
  async #followed(): Promise<number> {
    const standby = await (this.#standby ??= startPostgres(SETTINGS, this.#server));
    const follower = standby.client(urlOf(standby, "postgres", "postgres", "public"), { max: 1 });
    const [{ position } = {}] = await this.#admin`select pg_current_wal_flush_lsn()::text as position`;
    await eventually(async () => {
      const [row] = await follower`select pg_last_wal_replay_lsn() >= ${position}::pg_lsn as done`;
      if (!row!.done) throw new Error("The standby does not follow");
    });
    await follower.end();
    return standby.port;
  }

  /** What the schema of a version is, as a database has it that nothing else happened to. */
  async schemaOf(version: number): Promise<ReadonlySet<string>> {
    const known = this.#schemas.get(version);
    if (known !== undefined) return known;
    const name = await this.#template(version, "public");
    const client = this.#server.client(urlOf(this.#server, name, "postgres", "public"), { max: 1 });
    const found = await fingerprint(client, "public");
    await client.end();
    this.#schemas.set(version, found);
    return found;
  }

  #template(version: number, schema: "public" | "a"): Promise<string> {
    const name = `template_${schema}_${version}`;
    const known = this.#templates.get(name);
    if (known !== undefined) return known;
    const making = (async () => {
      await this.#admin.unsafe(`create database ${name} owner ${OWNER}`);
      if (schema === "a") {
        await bringToVersion(urlOf(this.#server, name, OWNER, "public"), NEIGHBOUR_VERSION, async (sql) => {
          await sql.unsafe("create schema a");
          await sql`insert into events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
            values ('neighbour', 't', 'd', '2025-01-01', 'x', true, '{}', '{}')`;
          await sql.unsafe(
            "create table outpost_quarantine (id bigserial, migration text, source_table text, row jsonb)",
          );
          const kept = makeDelivery(1, makeEvent(1, false), 1, false);
          await sql`insert into outpost_quarantine (migration, source_table, row)
            values ('sql/000005', 'deliveries', ${JSON.stringify(kept)}::text::jsonb)`;
        });
      }
      await bringToVersion(urlOf(this.#server, name, OWNER, schema), version);
      await this.#grant(name, schema, version);
      return name;
    })();
    this.#templates.set(name, making);
    return making;
  }

  /** The application may read and write what there is, and where its tables are still to come, these. */
  async #grant(name: string, schema: string, version: number): Promise<void> {
    const client = this.#server.client(urlOf(this.#server, name, OWNER, schema), { max: 1 });
    await client.unsafe(`grant usage on schema ${schema} to ${WRITER};
      grant select, insert, update, delete on all tables in schema ${schema} to ${WRITER}`);
    if (version < LAST_NEW_TABLE) {
      await client.unsafe(
        `alter default privileges in schema ${schema} grant select, insert, update, delete on tables to ${WRITER}`,
      );
    }
    await client.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#standby?.catch(() => null))?.[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

function urlOf({ host, port }: PostgresServer, database: string, user: string, path: string): string {
  return `postgres://${user}@${host}:${port}/${database}?search_path=${path}`;
}

/** Makes the default partition of `deliveries` anew, as an operator does by hand. */
async function reorder(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    ALTER TABLE deliveries DETACH PARTITION deliveries_default;
    DROP TABLE deliveries_default;
    CREATE TABLE deliveries_default (
      destination_id text NOT NULL, attempt integer NOT NULL DEFAULT 0, response_data jsonb, code text,
      event_id text NOT NULL, id text NOT NULL, manual boolean NOT NULL DEFAULT false, status text NOT NULL,
      time timestamptz NOT NULL);
    ALTER TABLE deliveries ATTACH PARTITION deliveries_default DEFAULT`);
}
