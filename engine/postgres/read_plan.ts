/**
 * Counts what steps would do. Every query reads only.
 *
 * @module
 */

import type { SqlConsequence, SqlStepPlan, SqlTablePlan } from "../backend.ts";
import { migrationId } from "../migration.ts";
import type { SqlStatement, SqlStep, StepForecast } from "../sql/step.ts";
import type { Query } from "./query.ts";

/** Counts, remembering the answers: steps that build on each other ask the same again and again. */
export class Counter {
  readonly #query: Query;
  readonly #answers = new Map<string, Promise<number>>();

  constructor(query: Query) {
    this.#query = query;
  }

  /** @param query A query for one number; null counts 0. */
  async rows(query: string | null): Promise<number> {
    if (query === null) return 0;
    return await this.#once(query, query);
  }

  /** Bytes of a table with its partitions, indexes and large values; 0 for null. */
  async bytes(table: string | null): Promise<number> {
    if (table === null) return 0;
    return await this.#once(`bytes of ${table}`, SIZE, [table]);
  }

  async #once(key: string, text: string, parameters: readonly string[] = []): Promise<number> {
    const known = this.#answers.get(key);
    if (known !== undefined) return await known;
    const answer = this.#query<Record<string, unknown>>(text, parameters).then(([row]) =>
      Number(Object.values(row ?? {})[0] ?? 0)
    );
    this.#answers.set(key, answer);
    return await answer;
  }
}

const SIZE = `
  SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::text AS bytes FROM pg_partition_tree(to_regclass($1::text))`;

/** Answers a forecast for one step. */
export async function planStep(
  counter: Counter,
  step: SqlStep,
  statements: readonly SqlStatement[],
  forecast: StepForecast,
): Promise<SqlStepPlan> {
  const tables: SqlTablePlan[] = [];
  for (const { name, storedAs, rows, lock, rewrite } of forecast.tables) {
    tables.push({
      name,
      rows: await counter.rows(rows),
      bytes: await counter.bytes(storedAs),
      lock,
      rewrite,
    });
  }
  const consequences: SqlConsequence[] = [];
  for (const { rows, ...rest } of forecast.consequences) {
    consequences.push({ ...rest, rows: await counter.rows(rows) });
  }
  return {
    id: migrationId("postgres", step.version, step.name),
    name: step.name,
    description: step.description,
    statements: statements.map(({ text }) => text),
    tables,
    consequences,
  };
}
