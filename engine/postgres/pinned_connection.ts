/**
 * The one connection that a session works on. The client of a pool may hand out a new connection under the same handle when
 * the old one dies; here that is noticed, because the lock and the settings died with it.
 *
 * @module
 */

import type postgres from "postgres";
import { RefusedError, StoreUnreachableError } from "../errors.ts";
import { isConnectionGone, storeError, whereOf } from "./errors.ts";
import { guardReserved } from "./guard_reserved.ts";
import { pinSchema } from "./pin_schema.ts";
import { refuseSharedConnections } from "./pooler.ts";
import { type Query, type QueryParameter, queryThrough } from "./query.ts";
import { type Client, singleClient } from "./single_client.ts";

/** Statements that one signal cancels. */
interface Watch {
  /** How many are at work. */
  statements: number;
  readonly cancel: () => void;
  cancelling: Promise<void> | undefined;
}

/** A client of its own with a single reserved connection. Dispose closes it. */
export class PinnedConnection implements AsyncDisposable {
  readonly #reserved: postgres.ReservedSql;
  /** Queries without {@linkcode PinnedConnection.query}'s care: it counts as idle, and errors are those of the client. */
  readonly directly: Query;
  /** Process id of the server's side. */
  readonly backendPid: number;
  /** The schema that all names lead to. */
  readonly schema: string;
  readonly database: string;
  /** The characters that the database can hold, as the server calls them. */
  readonly encoding: string;
  readonly #server: string;
  readonly #source: Client;
  readonly #client: Client;
  readonly #state: { lost: boolean };
  #running = 0;
  readonly #watched = new Map<AbortSignal, Watch>();

  private constructor(
    source: Client,
    client: Client,
    reserved: postgres.ReservedSql,
    facts: Facts,
    state: { lost: boolean },
  ) {
    this.#source = source;
    this.#client = client;
    this.#reserved = reserved;
    this.directly = queryThrough(reserved);
    this.backendPid = facts.pid;
    this.schema = facts.schema;
    this.database = facts.database;
    this.encoding = facts.encoding;
    this.#server = facts.server;
    this.#state = state;
  }

  /**
   * Connects as the given client does.
   *
   * @throws {RefusedError} For a standby, a pooler in transaction mode between, or a search path without a schema.
   * @throws {StoreUnreachableError} When the server cannot be reached.
   * @throws {StoreDeniedError} When it refuses the credentials.
   */
  static async open(source: Client): Promise<PinnedConnection> {
    const state = { lost: false };
    const client = singleClient(source, () => (state.lost = true));
    try {
      // The first query opens the connection: its errors say why that failed, those of a reservation do not.
      await client.unsafe("SELECT 1");
      const reserved = guardReserved(await client.reserve() as postgres.ReservedSql, () => state.lost);
      const found = await reserved.unsafe<(Omit<Facts, "schema" | "database"> & { standby: boolean })[]>(
        FACTS,
      );
      const { pid, standby, encoding, server } = found[0]!;
      if (standby) {
        throw new RefusedError("Cannot migrate Postgres: the server is a standby, which takes no writes", {
          hint:
            "Connect to the primary; of several hosts in the Postgres URL target_session_attrs=read-write finds it",
        });
      }
      const query = queryThrough(reserved);
      const { schema, database } = await pinSchema(query, "session");
      await query(STAY);
      if (schema === null) {
        throw new RefusedError("Cannot migrate Postgres: no schema of the search path exists", {
          hint: `Create the schema, or correct search_path in the Postgres URL`,
        });
      }
      // A pooler invents the process id of the handshake; a server tells its own.
      if (found.state.pid !== pid) await refuseSharedConnections(source, query, pid);
      return new PinnedConnection(
        source,
        client,
        reserved,
        { pid, schema, database, encoding, server },
        state,
      );
    } catch (error) {
      await client.end({ timeout: 0 });
      throw storeError(error, "Cannot connect to Postgres", whereOf(source.options));
    }
  }

  /** True once the connection is gone. It never comes back. */
  get lost(): boolean {
    return this.#state.lost;
  }

  /** True while a statement is under way: another one would wait for its end. */
  get busy(): boolean {
    return this.#running > 0;
  }

  /**
   * Runs one statement.
   *
   * @param signal Cancels the statement in the server.
   * @throws {StoreUnreachableError} When the connection is gone. Errors of the server are passed on as they are.
   */
  query<T extends object>(
    text: string,
    parameters: readonly QueryParameter[] = [],
    signal?: AbortSignal,
  ): Promise<T[]> {
    return this.#atWork(signal, () => this.directly<T>(text, parameters));
  }

  /**
   * Lends the connection to code that speaks to the server itself. It counts as busy all the while.
   *
   * @throws {StoreUnreachableError} When the connection is gone. Errors of the server are passed on as they are.
   */
  lend(work: (client: postgres.ReservedSql) => Promise<void>, signal: AbortSignal): Promise<void> {
    return this.#atWork(signal, async () => {
      signal.throwIfAborted();
      await work(this.#reserved);
      signal.throwIfAborted();
    });
  }

  async #atWork<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.lost) throw this.#gone();
    const over = this.#cancelledBy(signal);
    this.#running++;
    try {
      return await work();
    } catch (error) {
      if (!isConnectionGone(error)) throw error;
      this.#state.lost = true;
      throw this.#gone(error);
    } finally {
      this.#running--;
      await over();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.lost) this.#reserved.release();
    await this.#client.end({ timeout: this.lost ? 0 : 5 });
  }

  /**
   * Cancels what is at work when a signal fires: once, however many statements were sent one behind the other.
   *
   * @returns To be called when the statement is over; resolves when no cancellation can hit the one after it.
   */
  #cancelledBy(signal: AbortSignal | undefined): () => Promise<void> {
    if (signal === undefined) return () => Promise.resolve();
    const cancel = () => void (watch.cancelling = this.#cancel());
    const watch: Watch = this.#watched.get(signal) ?? { statements: 0, cancel, cancelling: undefined };
    if (watch.statements++ === 0) {
      this.#watched.set(signal, watch);
      signal.addEventListener("abort", watch.cancel, { once: true });
    }
    return async () => {
      if (--watch.statements === 0) {
        this.#watched.delete(signal);
        signal.removeEventListener("abort", watch.cancel);
      }
      await watch.cancelling;
    };
  }

  async #cancel(): Promise<void> {
    const client = singleClient(this.#source);
    try {
      await queryThrough(client)(CANCEL, [this.backendPid, this.#server]);
    } catch {
      // Without a second connection the statement runs to its end, and the run stops after it.
    } finally {
      await client.end({ timeout: 0 });
    }
  }

  #gone(cause?: unknown): StoreUnreachableError {
    return new StoreUnreachableError(
      "postgres",
      `The connection to Postgres at ${whereOf(this.#source.options)} was lost`,
      { cause, hint: "What was not committed is undone: run the same command again" },
    );
  }
}

interface Facts {
  readonly pid: number;
  readonly schema: string;
  readonly database: string;
  readonly encoding: string;
  /** Another text for each server. */
  readonly server: string;
}

/** Tells servers apart: when one began, to the microsecond, which a client would round. */
const SERVER = "to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')";

const FACTS = `
  SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding,
         ${SERVER} AS server`;

/** Of several hosts another one may answer, where a process of the same id is a stranger's. */
const CANCEL = `SELECT pg_cancel_backend($1::int) WHERE ${SERVER} = $2::text`;

/** While other stores are at work this connection is silent and keeps the lock. Settings that a server does not know are left out. */
const STAY = `
  SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')`;
