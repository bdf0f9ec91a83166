/**
 * Runs work in one transaction that waits for no lock longer than it may, and is tried again from the start when it had to
 * give up.
 *
 * @module
 */

import type { SqlRunOptions } from "../sql_backend.ts";
import { InterruptedError, LockLostError } from "../errors.ts";
import { StepFailedError } from "../sql/step_failed_error.ts";
import type { SqlStatement } from "../sql/statement.ts";
import { foreignText } from "../foreign_text.ts";
import type { Query } from "./query.ts";
import { isServerError, isTransient } from "./errors.ts";
import { failedUnseen, stepFailed } from "./step_failed.ts";
import { describeHolders, findHolders } from "./lock_holders.ts";
import type { PostgresOptions } from "./options.ts";
import { Patience } from "./patience.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { sharedConnectionError } from "./pooler.ts";
import { TableLocker, TablesHeld } from "./table_lock.ts";

/**
 * Runs statements within the transaction.
 *
 * @param how With `moment`, statements that take no time each are sent without waiting for the answers in between; locks are those
 * that the transaction has already, and are asked for without a look at others.
 */
export type RunStatements = (statements: readonly SqlStatement[], how?: "moment") => Promise<void>;

/** Transactions on one connection. */
export class TransactionRunner {
  readonly #connection: PinnedConnection;
  readonly #lockTimeoutMs: number;
  readonly #lockRetries: number;
  readonly #statementTimeoutMs: number;
  readonly #leaseMs: number;
  readonly #locker: TableLocker;

  constructor(
    connection: PinnedConnection,
    options: Pick<PostgresOptions, "lockTimeoutMs" | "lockRetries" | "statementTimeoutMs" | "lease">,
  ) {
    this.#connection = connection;
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 1000;
    this.#lockRetries = options.lockRetries ?? 10;
    this.#statementTimeoutMs = options.statementTimeoutMs ?? 0;
    this.#leaseMs = options.lease.ttlMs;
    this.#locker = new TableLocker(this.#lockTimeoutMs);
  }

  /**
   * @param id The migration, for messages.
   * @throws {StepFailedError} When a statement fails, or a lock cannot be had after all retries. Everything is undone.
   * @throws {InterruptedError} When the signal fired. Everything is undone.
   * @throws {LockLostError} When the signal fired with it as its reason. Everything is undone.
   */
  async run(
    id: string,
    options: SqlRunOptions,
    work: (query: Query, statements: RunStatements) => Promise<void>,
  ): Promise<void> {
    const patience = new Patience(this.#lockRetries, options);
    while (true) {
      try {
        await this.#attempt(id, options, patience, work);
        break;
      } catch (error) {
        if (!this.#connection.lost) await this.#rollBack(id);
        if (options.signal.aborted) throw interrupted(options.signal, undone(id, error));
        const busy = busyFrom(error);
        if (busy === null) throw error;
        if (await patience.again(busy.reason, { limit: this.#lockRetries, ...this.#overWith(busy.held) })) {
          continue;
        }
        if (options.signal.aborted) throw interrupted(options.signal, undone(id, error));
        throw await this.#gaveUp(id, error);
      }
    }
    // Beyond the reach of all that tries again or reports the work undone: a connection that breaks here leaves it open
    // whether the server still committed, and the next run reads what became of it.
    const { command } = await this.#say(id, "COMMIT") as { readonly command?: string };
    // A transaction in which something failed unseen, a question after the lock for one, ends without an error.
    if (command !== "COMMIT") {
      throw options.signal.aborted ? interrupted(options.signal, undone(id, undefined)) : failedUnseen(id);
    }
  }

  async #attempt(
    id: string,
    options: SqlRunOptions,
    patience: Patience,
    work: (query: Query, statements: RunStatements) => Promise<void>,
  ): Promise<void> {
    const { signal, beforeCommit } = options;
    signal.throwIfAborted();
    const begun = performance.now();
    const query: Query = async (text, parameters = []) => {
      signal.throwIfAborted();
      try {
        return await this.#connection.query(text, parameters, signal);
      } catch (error) {
        throw isServerError(error) ? stepFailed(id, text, error) : error;
      }
    };
    await query(BEGIN, [this.#lockTimeoutMs, this.#statementTimeoutMs, this.#leaseMs].map(String));
    const [session] = await query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    if (session!.pid !== this.#connection.backendPid) throw sharedConnectionError();
    await work(query, async (statements, how) => {
      if (how === "moment") return await runAtOnce(query, statements, options.onStatement);
      for (const [index, statement] of statements.entries()) {
        signal.throwIfAborted();
        options.onStatement?.(index, statements.length, statement.text);
        await this.#statement(query, statement, patience, begun);
      }
    });
    await beforeCommit();
    signal.throwIfAborted();
  }

  async #statement(query: Query, statement: SqlStatement, patience: Patience, begun: number): Promise<void> {
    const run = () =>
      statement.locks === undefined ? query(statement.text) : this.#locker.take(query, statement);
    if (!statement.retriesAlone) return void await run();
    let workMs: number | undefined;
    await query("SAVEPOINT late_lock");
    while (true) {
      try {
        await run();
        await query("RELEASE SAVEPOINT late_lock");
        return;
      } catch (error) {
        const busy = busyFrom(error);
        // The transaction still holds its weaker locks: who waits for one of them, and is waited for, would be waited for in
        // vain. Half of the patience is left to begin anew without any lock.
        if (busy === null || busy.held?.inVain) throw error;
        workMs ??= performance.now() - begun;
        await query("ROLLBACK TO SAVEPOINT late_lock");
        const limit = this.#lockRetries / 2;
        if (!await patience.again(busy.reason, { limit, workMs, ...this.#overWith(busy.held) })) throw error;
      }
    }
  }

  /** Ends a wait as soon as those who were in the way are gone. */
  #overWith(held: TablesHeld | null): { readonly over?: () => Promise<boolean> } {
    if (held === null) return {};
    return { over: () => held.over((text, parameters = []) => this.#connection.query(text, parameters)) };
  }

  /** What to report after the last try: who holds the tables. */
  async #gaveUp(id: string, error: unknown): Promise<unknown> {
    if (this.#connection.lost) return error;
    const held = error instanceof TablesHeld ? error : null;
    const holders = held?.holders ?? await findHolders(
      (text, parameters = []) => this.#connection.query(text, parameters),
      { tables: null, mode: null, server: true },
    );
    const failed = held === null
      ? error as StepFailedError
      : new StepFailedError(`Cannot run ${id}: ${held.message}`, {
        id,
        statement: held.statement,
        position: null,
        // Which the server would have said at the end of the queue.
        serverCode: LOCK_NOT_AVAILABLE,
        detail: null,
        serverHint: null,
      });
    if (holders.length === 0) return failed;
    return new StepFailedError(failed.message, failed.failure, {
      cause: failed.cause,
      hint: `${describeHolders(holders)}: end it, or allow more time or more tries for locks`,
    });
  }

  async #rollBack(id: string): Promise<void> {
    try {
      await this.#say(id, "ROLLBACK");
    } catch (error) {
      // A connection that dies here has rolled back as well; the error that led here is the one to tell.
      if (!this.#connection.lost) throw error;
    }
  }

  /** Runs a statement that no signal keeps from running. */
  async #say(id: string, text: string): Promise<object[]> {
    try {
      return await this.#connection.query(text);
    } catch (error) {
      throw isServerError(error) ? stepFailed(id, text, error) : error;
    }
  }
}

/** @throws What the first one that fails throws; those after it fail with it. */
async function runAtOnce(
  query: Query,
  statements: readonly SqlStatement[],
  onStatement: SqlRunOptions["onStatement"],
): Promise<void> {
  const answers = await Promise.allSettled(statements.map(({ text }, index) => {
    onStatement?.(index, statements.length, text);
    return query(text);
  }));
  const failed = answers.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/**
 * Read committed, whatever the default is: what is read after a lock was taken must be what is there under it. With the settings of
 * the transaction, of which those that this server does not know are left out. What an operator set for the application's short
 * transactions must not end a step, nor the wait for a lock in the middle of it, nor the transaction before it has its settings: all
 * is one message. A run that freezes is silent for a whole lease, which heartbeats never are: then the server ends it, and its
 * locks with it.
 */
const BEGIN = `
  BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
  SELECT set_config(wanted.name, wanted.value, true)
    FROM (VALUES ('lock_timeout', $1::text), ('statement_timeout', $2::text), ('TimeZone', 'UTC'),
                 ('idle_in_transaction_session_timeout', $3::text), ('transaction_timeout', '0')) AS wanted (name, value)
    JOIN pg_settings USING (name)`;

/** The loss of the lock that the signal fired for, or else that the run was stopped on request. */
export function interrupted(signal: AbortSignal, stopped: InterruptedError): Error {
  return signal.reason instanceof LockLostError ? signal.reason : stopped;
}

function undone(id: string, cause: unknown): InterruptedError {
  return new InterruptedError(`Stopped before the end of ${id}: it was undone`, {
    cause,
    hint: "Run the same command again to continue",
  });
}

const LOCK_NOT_AVAILABLE = "55P03";

/** What a try failed for that may succeed later, or null for anything else. */
function busyFrom(error: unknown): { readonly reason: string; readonly held: TablesHeld | null } | null {
  if (error instanceof TablesHeld) return { reason: error.message, held: error };
  const cause = causeOf(error);
  return isTransient(cause) ? { reason: foreignText((cause as Error).message), held: null } : null;
}

function causeOf(error: unknown): unknown {
  return error instanceof StepFailedError ? error.cause : error;
}
