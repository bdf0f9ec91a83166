/**
 * What steps do to the rows of a table, as data: so that several of them can be done in one go, each row written once.
 *
 * @module
 */

import type { SqlStep } from "./step.ts";
import type { TableRewrite } from "./step_rewrite.ts";
import type { SqlStatement } from "./statement.ts";

/** Names, as a variant is named, how a step runs by itself whose tables are made anew. */
export const BY_EXCHANGE = "by exchange";

/** What surrounds the statements of the steps themselves, all in one transaction. */
export interface Fold {
  /** The versions that are done together, in order. */
  readonly versions: readonly number[];
  /** Tables whose only partition is replaced, or that go, by their names before. */
  readonly tables: readonly string[];
  /** Those that are made anew. */
  readonly made: readonly Pick<ComposedTable, "was" | "takes">[];
  /** Run before the first step. */
  readonly before: readonly SqlStatement[];
  /** Run after the last step. */
  readonly after: readonly SqlStatement[];
}

/** A table that is made anew once for several steps. */
export interface ComposedTable {
  /** Name before the first step. */
  readonly was: string;
  /** Name after the last. */
  readonly table: string;
  /** Queries over the tables before the first step that together give the rows after the last. */
  readonly sources: readonly string[];
  /** The table whose columns each row takes along, by its name before the first step. */
  readonly takes?: string;
}

/**
 * Composes what steps do to rows, one after the other: each step computes over what the one before it gives.
 *
 * @param steps The steps in order.
 * @param columnsOf The columns of a table before the first step that can be written, or null where there is no such table.
 * @returns The tables of which at least one step writes every row; null where the steps cannot be composed.
 */
export function composeRewrites(
  steps: readonly Pick<SqlStep, "version" | "rewrite">[],
  columnsOf: (table: string) => readonly string[] | null,
): readonly ComposedTable[] | null {
  const first = steps[0];
  const chains = new Map<string, Chain>();
  for (const step of steps) {
    for (const change of step.rewrite?.tables ?? []) {
      const was = change.was ?? change.table;
      // A join reads tables as they are in the database, which holds for the first step alone.
      if (change.joined !== undefined && step !== first) return null;
      const chain = chains.get(was) ?? begin(was, columnsOf(was));
      if (chain === null) return null;
      chains.delete(was);
      chains.set(change.table, extend(chain, change, step.version));
    }
  }
  return [...chains].filter(([, { everyRow }]) => everyRow)
    .map(([table, { was, sources, takes }]) => ({
      was,
      table,
      sources,
      ...(takes === undefined ? {} : { takes }),
    }));
}

/** What tables are called before steps that may rename them. */
export function namesBefore(
  tables: readonly string[],
  steps: readonly Pick<SqlStep, "rewrite">[],
): readonly string[] {
  return steps.toReversed().reduce(
    (names, { rewrite }) =>
      names.map((name) => rewrite?.tables.find(({ table }) => table === name)?.was ?? name),
    tables,
  );
}

interface Chain {
  readonly was: string;
  readonly everyRow: boolean;
  readonly columns: readonly string[];
  readonly sources: readonly string[];
  readonly takes?: string;
}

function begin(table: string, columns: readonly string[] | null): Chain | null {
  if (columns === null) return null;
  return { was: table, everyRow: false, columns, sources: [`SELECT ${columns.join(", ")} FROM ${table}`] };
}

function extend(chain: Chain, change: TableRewrite, version: number): Chain {
  const { computed = {}, renamed = {}, dropped = [], joined } = change;
  const everyRow = chain.everyRow || change.everyRow;
  if (joined !== undefined) {
    const { columns, queries: sources, takes } = joined;
    return { ...chain, everyRow, columns, sources, ...(takes === undefined ? {} : { takes }) };
  }
  const newName = new Map(Object.entries(renamed).map(([to, from]) => [from, to]));
  const kept = chain.columns.filter((column) => !dropped.includes(column));
  const columns = [
    ...new Set([...kept.map((column) => newName.get(column) ?? column), ...Object.keys(computed)]),
  ];
  const same = Object.keys(computed).length + Object.keys(renamed).length === 0 &&
    kept.length === chain.columns.length;
  if (same) return { ...chain, everyRow };
  const expressions = columns.map((column) => {
    const expression = computed[column] ?? renamed[column] ?? column;
    return expression === column ? column : `${expression} AS ${column}`;
  });
  const over = (source: string) =>
    `SELECT ${expressions.join(", ")}\n  FROM (${source}) AS before_${version}`;
  return { ...chain, everyRow, columns, sources: chain.sources.map(over) };
}
