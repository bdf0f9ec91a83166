/**
 * One step, or several, in one rewrite. Each table is made once, in its final form, beside the old one and while readers go on.
 * Then, in a moment, the old partitions go, the steps themselves run on tables without rows, and the new partitions take their
 * place: so the tables end exactly as the statements of the steps alone would leave them.
 *
 * @module
 */

import { composeRewrites, type Fold, namesBefore } from "../sql/rewrite.ts";
import { mayBeMadeAnew, type SqlStep, type StepModule } from "../sql/step.ts";
import type { SqlStatement } from "../sql/statement.ts";
import { quoteIdentifier } from "./query.ts";
import { makePartition, type NewPartition } from "./new_partition.ts";
import { carryPrivileges } from "./privileges.ts";
import type { SchemaObjects, TableObject } from "./schema_objects.ts";

/** What {@linkcode foldSteps} goes by. */
export interface FoldOptions {
  /** All steps, in order. */
  readonly steps: readonly StepModule[];
  /** The schema after each version. */
  readonly schemas: readonly SchemaObjects[];
  /** Versions to run, in order, without gaps. Those before the first that says anything of rows are left out. */
  readonly versions: readonly number[];
  /** Names of tables that are there only on the way begin with its name. */
  readonly tool: { readonly name: string };
}

/** What steps do as one, in parts that need not run at once. */
export interface FoldParts {
  readonly versions: readonly number[];
  /** Tables whose only partition is replaced, by their names before, and those that go. */
  readonly tables: readonly string[];
  readonly made: Fold["made"];
  /** Keeps writers away. */
  readonly lock: SqlStatement;
  /** Keep elsewhere what has no place afterwards. */
  readonly keeps: readonly SqlStatement[];
  readonly partitions: readonly NewPartition[];
  /** Keeps readers away. */
  readonly lateLock: SqlStatement;
  /** Give the new partitions the privileges of the old ones, as they are then. */
  readonly privileges: readonly SqlStatement[];
  /** Drops the old partitions. */
  readonly drop: SqlStatement;
}

/**
 * Folds steps.
 *
 * @returns Null where there is nothing to gain, or where a step says too little of itself.
 */
export function foldSteps(options: FoldOptions): Fold | null {
  const parts = foldParts(options, (step) => step, "new");
  if (parts === null) return null;
  const { versions, tables, made, lock, keeps, partitions, lateLock, privileges, drop } = parts;
  return {
    versions,
    tables,
    made,
    before: [lock, ...SETTINGS, ...keeps, ...partitions.flatMap(making), lateLock, ...privileges, drop],
    after: partitions.flatMap(({ place }) => place),
  };
}

function making({ name, target, sources, create, constraints, indexes, analyze }: NewPartition) {
  const columns = target.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const fill = sources.map((source) => ({
    text: `INSERT INTO ${name} (${columns})\nSELECT ${columns}\n  FROM (${source}) AS source`,
  }));
  return [create, ...fill, ...constraints, ...indexes, analyze];
}

/**
 * What folded steps consist of.
 *
 * @param as What stands for a step.
 * @param word What the names of new tables have in them.
 * @returns Null as with {@linkcode foldSteps}.
 */
export function foldParts(
  { steps, schemas, versions: wanted, tool }: FoldOptions,
  as: (step: SqlStep) => SqlStep,
  word: string,
): FoldParts | null {
  const begins = wanted.findIndex((version) => steps[version - 1]?.step.rewrite !== undefined);
  const versions = begins < 0 ? [] : wanted.slice(begins);
  const [first, last] = [versions[0], versions.at(-1)];
  if (first === undefined || last === undefined || first < 2) return null;
  const folded = steps.slice(first - 1, last).map(({ step }) => as(step));
  const [before, after] = [schemas[first - 2]!, schemas[last - 1]!];
  if (!folded.every(({ transactional }) => transactional)) return null;
  const composed = composeRewrites(folded, (table) => writableColumns(partitionOf(before, table)));
  if (composed === null || composed.length === 0) return null;
  const keeps = folded.flatMap(({ rewrite }) => rewrite?.keeps ?? []);
  const drops = folded.flatMap(({ rewrite }) => rewrite?.drops ?? []);
  // What is kept is found in the tables as they are: only the first step may keep or drop.
  if (folded.slice(1).some(({ rewrite }) => rewrite?.keeps !== undefined || rewrite?.drops !== undefined)) {
    return null;
  }
  const partitions: NewPartition[] = [];
  for (const [index, { was, table, sources }] of composed.entries()) {
    const target = partitionOf(after, table);
    if (target === null) return null;
    const name = `${tool.name.replaceAll(/\W/g, "_")}_${word}_${index + 1}`;
    const made = makePartition(target, table, name);
    if (made === null) return null;
    partitions.push({ was, target, name, sources, ...made });
  }
  const replaced = composed.map(({ was }) => was);
  const going = replaced.map((table) => partitionOf(before, table));
  if (going.includes(null)) return null;
  const read = folded[0]!.rewrite?.tables.map(({ table, was }) => was ?? table) ?? [];
  // Their own locks too: later, on tables without rows, nobody is looked for any more who could be in the way.
  const own = folded.flatMap(({ up }, index) =>
    namesBefore(up.flatMap(({ locks }) => locks?.tables ?? []), folded.slice(0, index))
  );
  const locked = [...new Set([...replaced, ...drops, ...read, ...own])].filter((table) =>
    before.some(({ name }) => name === table)
  );
  return {
    versions,
    tables: [...replaced, ...drops],
    made: composed,
    lock: lock(locked, "SHARE ROW EXCLUSIVE"),
    keeps,
    partitions,
    lateLock: { ...lock(locked, "ACCESS EXCLUSIVE"), retriesAlone: true },
    privileges: partitions.map(({ name }, index) => carryPrivileges(going[index]!.name, name)),
    drop: { text: `DROP TABLE ${going.map((partition) => quoteIdentifier(partition!.name)).join(", ")}` },
  };
}

/** Folds one step: readers go on while it makes its tables. @returns Null where it has ways of its own, or as {@linkcode foldSteps}. */
export function foldAlone({ step, ...options }: Omit<FoldOptions, "versions"> & {
  readonly step: SqlStep;
}): Fold | null {
  return mayBeMadeAnew(step) ? foldSteps({ ...options, versions: [step.version] }) : null;
}

/**
 * Joins and indexes of whole tables want more memory than what a server allows each of many small statements, for this once. And
 * tables that are made now stay where tables are that were there before, whatever is set for new ones.
 */
export const SETTINGS: readonly SqlStatement[] = [{
  text: `SELECT set_config(name, greatest(setting::int, wanted)::text, true)
  FROM (VALUES ('work_mem', 65536), ('maintenance_work_mem', 262144)) AS more (setting_name, wanted)
  JOIN pg_settings ON name = setting_name`,
}, {
  text:
    "SELECT set_config('default_tablespace', '', true), set_config('default_table_access_method', 'heap', true)",
}];

function lock(tables: readonly string[], mode: "SHARE ROW EXCLUSIVE" | "ACCESS EXCLUSIVE"): SqlStatement {
  return { text: `LOCK TABLE ${tables.join(", ")} IN ${mode} MODE`, locks: { tables, mode } };
}

/** The only partition of a table, where it is the one for everything. */
function partitionOf(schema: SchemaObjects, table: string): TableObject | null {
  const partitions = schema.filter(({ partitionOf }) => partitionOf?.table === table);
  const [only] = partitions;
  return partitions.length === 1 && only!.partitionOf!.bound === "DEFAULT" ? only! : null;
}

function writableColumns(partition: TableObject | null): readonly string[] | null {
  return partition?.columns.filter(({ generated }) => generated === null).map(({ name }) => name) ?? null;
}
