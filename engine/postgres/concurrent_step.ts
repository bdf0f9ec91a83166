/**
 * Runs the statements of a step that cannot run in a transaction, such as `CREATE INDEX CONCURRENTLY`.
 *
 * @module
 */

import type { SqlRunOptions } from "../sql_backend.ts";
import { InterruptedError } from "../errors.ts";
import type { SqlStep } from "../sql/step.ts";
import { isServerError } from "./errors.ts";
import type { PostgresOptions } from "./options.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { quoteIdentifier } from "./query.ts";
import { stepFailed } from "./step_failed.ts";
import { interrupted } from "./transaction.ts";
import { stepId } from "./step_id.ts";

/**
 * Runs each statement by itself. An index that is there and valid is not built again; an invalid one is dropped first.
 *
 * @throws {StepFailedError} When a statement fails. What ran before it stays, and the next run does the rest.
 * @throws {InterruptedError} When the signal fired.
 */
export async function runOutsideTransaction(
  connection: PinnedConnection,
  { statementTimeoutMs = 0 }: Pick<PostgresOptions, "statementTimeoutMs">,
  step: SqlStep,
  direction: "up" | "down",
  options: SqlRunOptions,
): Promise<void> {
  const statements = direction === "up" ? step.up : step.down;
  const run = await withoutTransaction(
    connection,
    { statementTimeoutMs },
    stepId(step),
    options,
  );
  for (const [index, statement] of statements.entries()) {
    options.onStatement?.(index, statements.length, statement.text);
    if (statement.buildsIndex !== undefined) {
      const [found] = await run<{ valid: boolean }>(INDEX_STATE, [
        quoteIdentifier(connection.schema),
        quoteIdentifier(statement.buildsIndex),
      ]);
      if (found?.valid === true) continue;
      if (found !== undefined) await run(`DROP INDEX CONCURRENTLY ${quoteIdentifier(statement.buildsIndex)}`);
    }
    await run(statement.text);
  }
}

/** Runs single statements, without a limit on the wait for locks. */
type RunAlone = <T extends object>(text: string, parameters?: readonly string[]) => Promise<T[]>;

/**
 * Makes the connection ready for statements without a transaction.
 *
 * @param id What they are for, for messages.
 * @returns Runs one, with the errors of {@linkcode runOutsideTransaction}.
 */
export async function withoutTransaction(
  connection: PinnedConnection,
  { statementTimeoutMs = 0 }: Pick<PostgresOptions, "statementTimeoutMs">,
  id: string,
  { signal }: Pick<SqlRunOptions, "signal">,
): Promise<RunAlone> {
  const run = async <T extends object>(text: string, parameters: readonly string[] = []): Promise<T[]> => {
    try {
      signal.throwIfAborted();
      return await connection.query<T>(text, parameters, signal);
    } catch (error) {
      if (signal.aborted) throw interrupted(signal, stoppedWithin(id, error));
      throw isServerError(error) ? stepFailed(id, text, error, STAYS_HINT) : error;
    }
  };
  // Building concurrently waits for every older transaction and blocks none meanwhile: here a limit would only leave invalid
  // indexes behind.
  await run(
    "SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', $1::text, false), " +
      "set_config('default_transaction_read_only', 'off', false)",
    [String(statementTimeoutMs)],
  );
  return run;
}

function stoppedWithin(id: string, cause: unknown): InterruptedError {
  return new InterruptedError(`Stopped in the middle of ${id}, which runs without a transaction`, {
    cause,
    hint: "Run the same command again: it does the rest",
  });
}

const STAYS_HINT = "Remove the cause and run the same command again: what is done stays done";

const INDEX_STATE = `
  SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1::text || '.' || $2::text)`;
