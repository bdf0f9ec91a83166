/**
 * Answers what a step forecasts: counts what it would do, with queries that only read.
 *
 * @module
 */

import { thousands } from "../thousands.ts";
import type { SqlConsequence, SqlStepPlan, SqlTablePlan } from "./sql_plan.ts";
import type { DownForecast, SqlStep, StepForecast, StepRemains } from "./step.ts";
import type { SqlStatement } from "./statement.ts";

/** Asks a store for numbers; null for what cannot be counted at the moment. */
export interface Counter {
  /** The one number that a query gives. */
  rows(query: string): Promise<number | null>;
  /** Bytes of a table on disk, with all that belongs to it; 0 for one that is not there. */
  bytes(table: string): Promise<number | null>;
}

/** The same, remembering the answers: steps that build on each other ask the same again and again. */
export function remembering(counter: Counter): Counter {
  const answers = new Map<string, Promise<number | null>>();
  const once = (key: string, ask: () => Promise<number | null>): Promise<number | null> => {
    const known = answers.get(key) ?? ask();
    answers.set(key, known);
    return known;
  };
  return {
    rows: (query) => once(`rows ${query}`, () => counter.rows(query)),
    bytes: (table) => once(`bytes ${table}`, () => counter.bytes(table)),
  };
}

/** How {@linkcode planStep} looks at a step. */
export interface PlanningOptions {
  readonly id: string;
  /** The statements that would run. */
  readonly statements: readonly SqlStatement[];
  readonly forecast: StepForecast;
  readonly counter: Counter;
  /** Makes a statement what the store is given. */
  readonly expand: (text: string) => string;
}

/** Answers the forecast of one step, one question after the other: a store may have one connection alone. */
export async function planStep(
  { name, description }: SqlStep,
  { id, statements, forecast, counter, expand }: PlanningOptions,
): Promise<SqlStepPlan> {
  const rowsOf = async (query: string | null) => (query === null ? 0 : await counter.rows(query));
  const tables: SqlTablePlan[] = [];
  for (const { name, storedAs, rows, lock, rewrite } of forecast.tables) {
    const bytes = storedAs === null ? 0 : await counter.bytes(storedAs);
    tables.push({ name, rows: await rowsOf(rows), bytes, lock, rewrite });
  }
  const consequences: SqlConsequence[] = [];
  for (const { rows, ...consequence } of forecast.consequences) {
    consequences.push({ ...consequence, rows: await rowsOf(rows) });
  }
  return {
    id,
    name,
    description,
    statements: statements.map(({ text }) => expand(text)),
    tables,
    consequences,
  };
}

/** What goes or cannot come back, one sentence each, counted where it can be. */
export async function countLosses(
  { warnings }: Pick<DownForecast, "warnings">,
  counter: Counter,
): Promise<readonly string[]> {
  const losses: string[] = [];
  for (const { text, rows } of warnings) {
    const found = rows === null ? null : await counter.rows(rows);
    if (found !== 0) losses.push(found === null ? text : `${thousands(found)} ${text}`);
  }
  return losses;
}

/** The rows that a step left behind, also of a view that somebody dropped; null for what cannot be counted at the moment. */
export async function countRemains(
  { hasTable, counter }: {
    readonly hasTable: (name: string) => Promise<boolean>;
    readonly counter: Counter;
  },
  { table, count, behind }: StepRemains,
): Promise<number | null> {
  if (await hasTable(table)) return await counter.rows(count);
  let all = 0;
  for (const [name, query] of Object.entries(behind?.rows ?? {})) {
    const rows = await hasTable(name) ? await counter.rows(query) : 0;
    if (rows === null) return null;
    all += rows;
  }
  return all;
}
