/**
 * Reads Postgres in one transaction that the database itself keeps from writing, and that waits for nobody's lock for long.
 *
 * @module
 */

import type postgres from "postgres";
import { adviceFor } from "./advice.ts";
import { RefusedError, StoreHeldError } from "../errors.ts";
import { hint } from "../hint.ts";
import {
  connectionError,
  isConnectionGone,
  isLockTimeout,
  isNetworkError,
  isServerError,
  whereOf,
} from "./errors.ts";
import { describeHolders, findHolders } from "./lock_holders.ts";
import type { PostgresOptions } from "./options.ts";
import { pinSchema } from "./pin_schema.ts";
import { type Query, queryThrough } from "./query.ts";
import { toldByServer } from "./server_message.ts";

/** What was read, or who held a table for so long that it could not be. */
export type Unheld<T> = { readonly value: T } | { readonly held: string };

/** How long a read waits for a table by default, in milliseconds. */
const READ_WAIT_MS = 5000;
/** What is next to nothing: none at all would mean for ever. */
const NO_WAIT_MS = 1;

/** How long reads may wait for a table: a command reads more than once, and waits once. */
export class ReadPatience {
  readonly #waitMs: number;
  #spentAt = -Infinity;

  constructor(waitMs: number = READ_WAIT_MS) {
    this.#waitMs = waitMs;
  }

  /** Milliseconds that a read may wait that begins now: hardly any for as long again after a wait that was in vain. */
  get waitMs(): number {
    return performance.now() - this.#spentAt < this.#waitMs ? NO_WAIT_MS : this.#waitMs;
  }

  /** Notes that so long was waited in vain. */
  spend(waitedMs: number): void {
    if (waitedMs === this.#waitMs) this.#spentAt = performance.now();
  }
}

/** One moment of the database. */
export interface Reading {
  readonly query: Query;
  /** The one schema that names lead to, or null where there is none. */
  readonly schema: string | null;
  /** Reads a part that the answer can do without, one at a time. */
  unlessHeld<T>(part: (query: Query) => Promise<T>): Promise<Unheld<T>>;
}

/**
 * Reads. All queries see the same moment.
 *
 * @param action For messages: `Cannot <action> Postgres`.
 * @throws {StoreUnreachableError} When the server cannot be reached, or somebody holds what the answer cannot do without.
 */
export async function readAtOnce<T>(
  { sql, lease }: Pick<PostgresOptions, "sql" | "lease">,
  patience: ReadPatience,
  action: string,
  work: (reading: Reading) => Promise<T>,
): Promise<T> {
  let over = false;
  const { waitMs } = patience;
  const through = (client: postgres.Sql | postgres.TransactionSql): Query => (text, parameters) =>
    over ? NEVER : queryThrough(client)(text, parameters);
  try {
    const whole = sql.begin(
      "isolation level repeatable read read only",
      (transaction) =>
        unlessGone(async () => {
          const query = through(transaction);
          // First of all: until then what an operator set for short transactions may end this one, however short its silence.
          await query(PATIENCE, [String(waitMs), String(lease.ttlMs)]);
          const { schema } = await pinSchema(query, "transaction");
          return await work({
            query,
            schema,
            unlessHeld: async (part) => {
              try {
                // The client undoes a part by itself, and would hold its failure against the whole otherwise.
                const within = await transaction.savepoint((savepoint) =>
                  unlessGone(() => part(through(savepoint)))
                );
                return { value: within as never };
              } catch (error) {
                if (!isLockTimeout(error)) throw error;
                patience.spend(waitMs);
                // It was waited for once: what else is held costs no more time.
                await query("SELECT set_config('lock_timeout', '1', true)");
                return { held: await whoHolds(query) };
              }
            },
          });
        }),
    );
    void whole.catch(() => void (over = true));
    return await whole as T;
  } catch (error) {
    over = false;
    if (isLockTimeout(error)) patience.spend(waitMs);
    const held = isLockTimeout(error) ? await whoHolds(through(sql)).catch(() => HELD) : null;
    if (held !== null) {
      throw new StoreHeldError("postgres", `Cannot ${action} Postgres: ${held}`, {
        cause: error,
        hint: "Try again when it is over, or end it",
      });
    }
    const known = connectionError(error, `Cannot ${action} Postgres`, whereOf(sql.options));
    if (!isServerError(known)) throw known;
    throw new RefusedError(`Cannot ${action} Postgres: ${toldByServer(known).message}`, {
      cause: known,
      hint: (GONE.has(known.code) ? undefined : adviceFor(known)) ??
        hint`The tables are not what the recorded version says: see what differs with ${"verify"}`,
    });
  }
}

/** A table or a column is not there that the recorded version has. A step that meets this may be one that is done already. */
const GONE: ReadonlySet<string> = new Set(["42P01", "42703"]);

const NEVER = new Promise<never>(() => {});

/**
 * Ends only where the connection lives. The client answers a failure by undoing the transaction, also over a connection that is
 * gone, where the attempt breaks the whole process; that the connection is gone it reports by itself.
 */
async function unlessGone<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const gone = isConnectionGone(error) &&
      (isServerError(error) || (error instanceof Error && isNetworkError(error)));
    if (gone) return await NEVER;
    throw error;
  }
}

/**
 * A reader that freezes must not keep its locks, small as they are, from a step for ever. What an operator set for the application's
 * short statements ends no count of a large table. Settings that this server does not know are left out.
 */
const PATIENCE = `
  SELECT set_config(wanted.name, wanted.value, true)
    FROM (VALUES ('lock_timeout', $1::text), ('idle_in_transaction_session_timeout', $2::text),
                 ('statement_timeout', '0'), ('transaction_timeout', '0')) AS wanted (name, value)
    JOIN pg_catalog.pg_settings USING (name)`;

async function whoHolds(query: Query): Promise<string> {
  const holders = await findHolders(query, { tables: null, mode: "ACCESS SHARE", server: true });
  return holders.length === 0 ? HELD : describeHolders(holders);
}

const HELD = "a table was held by somebody else for too long";
