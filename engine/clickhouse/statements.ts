/**
 * Runs one statement of a step in ClickHouse: as often as its condition asks, and with patience for mutations, which the server
 * works off in the background.
 *
 * @module
 */

import type { SqlRunOptions } from "../sql_backend.ts";
import { RefusedError } from "../errors.ts";
import { pause } from "../pause.ts";
import type { SqlStatement } from "../sql/statement.ts";
import { select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** What a statement runs with. */
export interface StatementContext {
  readonly client: ClickHouseClient;
  /** Writes a statement for where it is to run. */
  readonly expand: (text: string) => string;
  /** What stands before the name of every table of the application. */
  readonly prefix: string;
}

/** Rounds until a condition is given up; with the pauses between them about ten minutes. */
const ROUNDS = 600;
const LONGEST_PAUSE_MS = 1000;

/**
 * Runs the statement, unless its condition says that nothing is left to do, and again until it says so.
 *
 * @throws {RefusedError} When the condition does not come true, or a mutation fails.
 */
export async function runStatement(
  context: StatementContext,
  statement: SqlStatement,
  options: Pick<SqlRunOptions, "signal" | "beforeCommit">,
): Promise<void> {
  const { client, expand } = context;
  const text = expand(statement.text);
  const parameters = await parametersOf(context, text);
  for (let round = 0; round < ROUNDS; round++) {
    options.signal.throwIfAborted();
    // A fill that a run before this one queued goes on in the server: done, it may have left nothing to do.
    if (statement.mutates !== undefined) await mutationsDone(context, statement.mutates, options);
    if (statement.until !== undefined && await count(client, expand(statement.until), parameters) === 0) {
      return;
    }
    await options.beforeCommit();
    await client.command({ query: text, query_params: parameters });
    if (statement.mutates !== undefined) await mutationsDone(context, statement.mutates, options);
    if (statement.until === undefined) return;
    await pause(Math.min(20 * 2 ** round, LONGEST_PAUSE_MS), options.signal);
  }
  throw new RefusedError(`What a statement waits for has not come true: ${expand(statement.until!)}`, {
    hint: "Look with this query what is left, and run the same command again: it goes on from there",
  });
}

/** The server's time, where a statement asks for it. */
async function parametersOf({ client }: StatementContext, text: string): Promise<Record<string, unknown>> {
  if (!text.includes("{since:")) return {};
  const [clock] = await select<{ since: number }>(client, "SELECT toFloat64(now64(3)) AS since");
  return { since: clock!.since };
}

/** Waits until no mutation of a table is unfinished on this server, however long that takes. Replicas follow in the same order. */
async function mutationsDone(
  { client, prefix }: StatementContext,
  table: string,
  { signal, beforeCommit }: Pick<SqlRunOptions, "signal" | "beforeCommit">,
): Promise<void> {
  const [clock] = await select<{ now: string }>(client, "SELECT toString(now()) AS now");
  for (let round = 0;; round++) {
    signal.throwIfAborted();
    const unfinished = await select<{ id: string; failed: number; reason: string }>(
      client,
      `SELECT mutation_id AS id, latest_fail_time >= toDateTime({since:String}) AS failed, latest_fail_reason AS reason
         FROM system.mutations
        WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done`,
      { table: prefix + table, since: clock!.now },
    );
    if (unfinished.length === 0) return;
    const broken = unfinished.find(({ failed, reason }) => Number(failed) !== 0 && reason !== "");
    if (broken !== undefined) {
      throw new RefusedError(`The mutation ${broken.id} of ${prefix + table} fails: ${broken.reason}`, {
        hint: "Remove the cause, or end it with KILL MUTATION, and run the same command again",
      });
    }
    await beforeCommit();
    await pause(Math.min(20 * 2 ** round, LONGEST_PAUSE_MS), signal);
  }
}

async function count(
  client: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<number> {
  const [row] = await select<Record<string, string | number>>(client, query, parameters);
  return Number(Object.values(row ?? {})[0] ?? 0);
}
