/**
 * From steps to what is made beside a running application: new tables and rows kept elsewhere, each in parts that are filled and
 * kept in step row by row.
 *
 * @module
 */

import { checksumOf } from "../../checksum.ts";
import { RefusedError } from "../../errors.ts";
import { hint } from "../../hint.ts";
import type { SqlStep, StepModule } from "../../sql/step.ts";
import type { Follows, RowsKept } from "../../sql/step_rewrite.ts";
import type { SqlStatement } from "../../sql/statement.ts";
import { stepChecksum } from "../../sql/step.ts";
import { type FoldOptions, type FoldParts, foldParts } from "../fold.ts";
import type { NewPartition } from "../new_partition.ts";
import { carryPrivileges } from "../privileges.ts";
import { quoteIdentifier } from "../query.ts";
import { stepId } from "../step_id.ts";
import type { SchemaObjects, TableObject } from "../schema_objects.ts";

/** A column of a key. */
export interface KeyColumn {
  /** Its name, quoted. */
  readonly name: string;
  readonly type: string;
}

/** A table of the application that is watched. */
export interface Source {
  /** Name of the partitioned table. */
  readonly table: string;
  /** Name of its only partition. */
  readonly leaf: string;
  /** Its primary key. */
  readonly key: readonly KeyColumn[];
  /** Names of what notes the keys that were written. */
  readonly notes: { readonly table: string; readonly make: string };
}

/** Something that is made of the rows of one source. */
export interface Part {
  /** For people, for example `attempts`. */
  readonly name: string;
  readonly source: Source;
  /** Query for what is made of each row of the source, with its key. */
  readonly rows: string;
  readonly follows: Follows | null;
  /** The columns that the query gives beside the key, or with it. */
  readonly columns: readonly string[];
  /** Where they go: a table of the key's own columns, or one that keeps rows of many. */
  readonly into:
    | { readonly kind: "table"; readonly table: string }
    | { readonly kind: "kept"; readonly map: string; readonly table: string; readonly id: string };
  /** Makes it, empty. */
  readonly make: readonly SqlStatement[];
  /** Run once it is filled. */
  readonly afterwards: readonly SqlStatement[];
}

/** All that is made. */
export interface Preparation {
  /** What the names of all that is made begin with; the table that says how far it is has this name. */
  readonly name: string;
  readonly versions: readonly number[];
  /** Changes whenever something else would be made. */
  readonly checksum: string;
  /** What the tables should be like before. */
  readonly before: SchemaObjects;
  readonly sources: readonly Source[];
  /** In order: what others follow comes first. */
  readonly parts: readonly Part[];
  /** The steps as one, for the moment of the switch. */
  readonly fold: FoldParts;
}

/** What the names of all that a tool prepares begin with. */
export function preparationName(tool: FoldOptions["tool"]): string {
  return `${tool.name.replaceAll(/\W/g, "_").toLowerCase()}_prepared`;
}

/**
 * Says what is to be made for all of some steps.
 *
 * @throws {RefusedError} When that is nothing, or there is something before it that takes no time.
 */
export function preparationFor(options: FoldOptions): Preparation {
  const { steps, versions } = options;
  const preparation = describePreparation(options);
  if (preparation !== null && preparation.versions.length === versions.length) return preparation;
  const before = preparation === null ? [] : versions.slice(0, versions.indexOf(preparation.versions[0]!));
  const named = (some: readonly number[]) => some.map((version) => stepId(steps[version - 1]!.step));
  const what = versions.length === 1
    ? "no row is written anew for it"
    : `together: no row is written anew for ${before.length === 0 ? "them" : "the first"}`;
  throw new RefusedError(
    `Cannot prepare ${named(versions).join(", ")}${versions.length === 1 ? ":" : ""} ${what}`,
    {
      hint: before.length === 0
        ? hint`Nothing of it takes long: ${"apply"} does it`
        : hint`Do first what takes no time: ${`apply ${named(before).join(" ")}`}`,
    },
  );
}

/**
 * Says what is to be made for steps.
 *
 * @returns Null where there is nothing that takes long, or where a step says too little of itself.
 */
export function describePreparation(options: FoldOptions): Preparation | null {
  const { steps, schemas, tool } = options;
  const fold = foldParts(options, rowByRow, "prepared");
  if (fold === null) return null;
  const { versions } = fold;
  const first = steps[versions[0]! - 1]!.step;
  const name = preparationName(tool);
  const before = schemas[versions[0]! - 2]!;
  const kept = first.rows?.kept ?? [];
  if (first.rewrite?.keeps !== undefined && kept.length === 0) return null;
  const watched = [...new Set([...fold.partitions.map(({ was }) => was), ...kept.map(({ table }) => table)])];
  const sources = watched.map((table, index) => sourceOf(before, table, name, index + 1));
  if (!sources.every((source) => source !== null)) return null;
  const names = new Map(fold.partitions.map(({ was, name }) => [was, name]));
  const parts = [
    ...fold.partitions.map((partition) => tablePart(partition, sources, first, names)),
    ...kept.map((rows, index) => keptPart(rows, sources, names, `${name}_kept_${index + 1}`)),
  ];
  if (!parts.every((part) => part !== null)) return null;
  const follower = ({ follows }: Part) => (follows === null ? 0 : 1);
  return {
    name,
    versions,
    checksum: checksumOf(JSON.stringify([versions, ...checksums(steps, versions), parts])),
    before,
    sources,
    parts: parts.toSorted((a, b) => follower(a) - follower(b)),
    fold,
  };
}

/** Names of the tables that are watched. */
export function tablesOf({ sources }: Pick<Preparation, "sources">): readonly string[] {
  return sources.map(({ table }) => table);
}

function checksums(steps: readonly StepModule[], versions: readonly number[]): readonly string[] {
  return versions.map((version) => stepChecksum(steps[version - 1]!.step));
}

/** The step with queries for single rows in the place of those for whole tables. */
function rowByRow(step: SqlStep): SqlStep {
  if (step.rewrite === undefined) return step;
  const tables = step.rewrite.tables.map((table) => {
    const row = step.rows?.joined[table.was ?? table.table];
    if (table.joined === undefined) return table;
    return {
      ...table,
      joined: { ...table.joined, queries: row === undefined ? [] : [row.query] },
    };
  });
  return { ...step, rewrite: { ...step.rewrite, tables } };
}

function sourceOf(schema: SchemaObjects, table: string, own: string, number: number): Source | null {
  const leaf = schema.find(({ partitionOf }) => partitionOf?.table === table);
  const key = leaf === undefined ? null : keyOf(leaf);
  if (leaf === undefined || key === null) return null;
  return {
    table,
    leaf: leaf.name,
    key,
    notes: { table: `${own}_notes_${number}`, make: `${own}_note_${number}` },
  };
}

function keyOf({ constraints, columns }: TableObject): readonly KeyColumn[] | null {
  const found = constraints.map(({ definition }) => /^PRIMARY KEY \((.+)\)$/.exec(definition)?.[1])
    .find((list) => list !== undefined);
  const names = found?.split(", ") ?? [];
  const key = names.flatMap((name) => {
    const column = columns.find((one) => one.name === name || quoteIdentifier(one.name) === name);
    return column === undefined ? [] : [{ name: quoteIdentifier(column.name), type: column.type }];
  });
  return key.length === 0 || key.length !== names.length ? null : key;
}

function tablePart(
  { was, target, name, sources: queries, create, constraints, indexes }: NewPartition,
  sources: readonly (Source | null)[],
  first: SqlStep,
  names: ReadonlyMap<string, string>,
): Part | null {
  const source = sources.find((one) => one?.table === was);
  const [query] = queries;
  // A row is found by its key, before and after.
  if (source == null || query === undefined || queries.length > 1) return null;
  if (JSON.stringify(keyOf(target)) !== JSON.stringify(source.key)) return null;
  return {
    name: target.partitionOf!.table,
    source,
    rows: named(query, names),
    follows: first.rows?.joined[was]?.follows ?? null,
    columns: target.columns.map((column) => quoteIdentifier(column.name)),
    into: { kind: "table", table: name },
    // Nobody reads more here meanwhile than there.
    make: [create, carryPrivileges(source.leaf, name), ...constraints],
    afterwards: indexes,
  };
}

function keptPart(
  { table, query, follows, into }: RowsKept,
  sources: readonly (Source | null)[],
  names: ReadonlyMap<string, string>,
  map: string,
): Part | null {
  const source = sources.find((one) => one?.table === table);
  if (source == null) return null;
  const columns = source.key.map(({ name, type }) => `${name} ${type} NOT NULL`).join(", ");
  return {
    name: `${table} kept aside`,
    source,
    rows: named(query, names),
    follows: follows ?? null,
    columns: into.columns.map(quoteIdentifier),
    into: { kind: "kept", map, table: into.table, id: into.id },
    make: [into.make, {
      text: `CREATE TABLE ${map} (${columns}, kept_id bigint NOT NULL, PRIMARY KEY (${listOf(source.key)}))`,
    }],
    afterwards: [],
  };
}

/** Names of columns for a statement. */
export function listOf(key: readonly KeyColumn[], alias = ""): string {
  return key.map(({ name }) => (alias === "" ? name : `${alias}.${name}`)).join(", ");
}

function named(query: string, names: ReadonlyMap<string, string>): string {
  return query.replaceAll(/\{\{(\w+)\}\}/g, (_, table) => names.get(table) ?? table);
}
