/**
 * What a plan says of steps that run as one: each table is written once, and what that needs.
 *
 * @module
 */

import type { SqlGrouping } from "./sql_plan.ts";
import type { Counter } from "./forecast.ts";
import { type Fold, namesBefore } from "./rewrite.ts";
import type { SqlStep, StepForecast } from "./step.ts";

/** Indexes of the new form are larger than those of the old, by this much at most of the whole. */
const MARGIN = 1.25;

/** Says of each table that it is written anew where that is done: with the first of the steps that works on it. */
export class WrittenOnce {
  readonly #tables = new Set<string>();

  /** @param forecast What a step would do alone; the steps are asked for in order. */
  of(forecast: StepForecast): StepForecast {
    const again = new Set(
      forecast.tables.filter((table) => this.#tables.has(table.storedAs ?? table.name)).map(({ name }) =>
        name
      ),
    );
    for (const { name, storedAs, rewrite } of forecast.tables) {
      if (rewrite) this.#tables.add(storedAs ?? name);
    }
    return {
      ...forecast,
      tables: forecast.tables.map((table) => ({
        ...table,
        rewrite: table.rewrite && !again.has(table.name),
      })),
      consequences: forecast.consequences.filter(({ kind, table }) =>
        kind !== "table_rewritten" || !again.has(table)
      ),
    };
  }
}

/**
 * What a rewrite reads and needs.
 *
 * @param between The steps from the version reached to the first of the fold: they may rename its tables.
 * @returns Null while somebody holds a table.
 */
export async function needsOf(
  { made }: Fold,
  between: readonly SqlStep[],
  counter: Counter,
): Promise<NonNullable<SqlGrouping["needs"]> | null> {
  const now = (table: string) => namesBefore([table], between)[0]!;
  let [bytes, disk] = [0, 0];
  for (const { was, takes } of made) {
    const own = await counter.bytes(now(was));
    const taken = takes === undefined ? 0 : await takenAlong(now(was), now(takes), counter);
    if (own === null || taken === null) return null;
    bytes += own;
    disk += (own + taken) * MARGIN;
  }
  return { bytes, disk: Math.ceil(disk) };
}

/** Bytes that the rows of one table take along from another. */
async function takenAlong(table: string, from: string, counter: Counter): Promise<number | null> {
  const bytes = await counter.bytes(from);
  if (bytes === 0 || bytes === null) return bytes;
  const [rows, fromRows] = [
    await counter.rows(`SELECT count(*) FROM ${table}`),
    await counter.rows(`SELECT count(*) FROM ${from}`),
  ];
  if (rows === null || fromRows === null) return null;
  return fromRows === 0 ? 0 : bytes * rows / fromRows;
}
