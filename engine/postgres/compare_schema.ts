/**
 * Compares what a schema should hold with what it holds. Whatever an operator keeps there beside it is no difference.
 *
 * @module
 */

import type { SchemaObjects, TableObject } from "./schema_objects.ts";

/** How {@linkcode compareSchema} looks. */
export interface CompareOptions {
  /** Columns of these tables may stand in another order, which no statement of an application should depend on. */
  readonly anyOrder: "all" | readonly string[];
  /** A partition may have other bounds than DEFAULT where another one of its table is that: rows find their place all the same. */
  readonly anyBounds?: boolean;
}

/**
 * Names each difference between two schemas.
 *
 * @returns One sentence each, without a final period; empty when everything expected is there as expected.
 */
export function compareSchema(
  expected: SchemaObjects,
  actual: SchemaObjects,
  { anyOrder, anyBounds = false }: CompareOptions,
): string[] {
  const withDefault = anyBounds ? actual.filter(isDefault).map(({ partitionOf }) => partitionOf!.table) : [];
  const tables = new Map(actual.map((table) => [table.name, table]));
  return expected.flatMap((table) => {
    const found = tables.get(table.name);
    if (found === undefined) return [`Table "${table.name}" is missing`];
    return [
      ...comparePartitioning(table, found, withDefault),
      ...compareColumns(table, found),
      ...(anyOrder === "all" || anyOrder.includes(table.name) ? [] : compareOrder(table, found)),
      ...compareConstraints(table, found),
      ...compareIndexes(table, found),
    ];
  });
}

/** @param withDefault Tables with a partition for all rows that no other one takes. */
function comparePartitioning(
  expected: TableObject,
  found: TableObject,
  withDefault: readonly string[],
): string[] {
  const differences: string[] = [];
  if (expected.partitionKey !== found.partitionKey) {
    differences.push(
      `Table "${expected.name}" is partitioned by ${found.partitionKey ?? "nothing"}: expected ${
        expected.partitionKey ?? "nothing"
      }`,
    );
  }
  const [wanted, is] = [partOf(expected), partOf(found)];
  const table = expected.partitionOf?.table;
  const isApart = isDefault(expected) && table === found.partitionOf?.table && withDefault.includes(table!);
  if (wanted !== is && !isApart) differences.push(`Table "${expected.name}" is ${is}: expected ${wanted}`);
  return differences;
}

function isDefault({ partitionOf }: TableObject): boolean {
  return partitionOf?.bound === "DEFAULT";
}

function partOf({ partitionOf }: TableObject): string {
  return partitionOf === null ? "no partition" : `a partition of "${partitionOf.table}" ${partitionOf.bound}`;
}

function compareColumns(expected: TableObject, found: TableObject): string[] {
  const columns = new Map(found.columns.map((column) => [column.name, column]));
  return expected.columns.flatMap((column) => {
    const is = columns.get(column.name);
    const name = `Column "${expected.name}"."${column.name}"`;
    if (is === undefined) return [`${name} is missing`];
    const differences: string[] = [];
    if (is.type !== column.type) differences.push(`${name} has the type ${is.type}: expected ${column.type}`);
    if (is.notNull !== column.notNull) {
      differences.push(
        `${name} ${is.notNull ? "refuses" : "accepts"} NULL: expected it ${
          column.notNull ? "refused" : "accepted"
        }`,
      );
    }
    if (is.default !== column.default) {
      differences.push(
        `${name} has ${clause("default", is.default)}: expected ${clause("default", column.default)}`,
      );
    }
    if (is.generated !== column.generated) {
      differences.push(
        `${name} has ${clause("expression", is.generated)}: expected ${
          clause("expression", column.generated)
        }`,
      );
    }
    return differences;
  });
}

function clause(kind: string, expression: string | null): string {
  return expression === null ? `no ${kind}` : `the ${kind} ${expression}`;
}

function compareOrder(expected: TableObject, found: TableObject): string[] {
  const wanted = expected.columns.map(({ name }) => name);
  const is = found.columns.map(({ name }) => name).filter((name) => wanted.includes(name));
  const present = wanted.filter((name) => is.includes(name));
  return present.join() === is.join()
    ? []
    : [`Columns of "${expected.name}" stand in the order ${is.join(", ")}: expected ${present.join(", ")}`];
}

function compareConstraints(expected: TableObject, found: TableObject): string[] {
  const constraints = new Map(found.constraints.map((constraint) => [constraint.name, constraint]));
  return expected.constraints.flatMap(({ name, definition }) => {
    const is = constraints.get(name);
    if (is === undefined) return [`Constraint "${name}" of "${expected.name}" is missing`];
    return is.definition === definition
      ? []
      : [`Constraint "${name}" of "${expected.name}" is ${is.definition}: expected ${definition}`];
  });
}

function compareIndexes(expected: TableObject, found: TableObject): string[] {
  const indexes = new Map(found.indexes.map((index) => [index.name, index]));
  return expected.indexes.flatMap(({ name, definition, parent }) => {
    const is = indexes.get(name);
    if (is === undefined) return [`Index "${name}" on "${expected.name}" is missing`];
    const differences: string[] = [];
    if (is.definition !== definition) {
      differences.push(`Index "${name}" is ${is.definition}: expected ${definition}`);
    }
    if (is.parent !== parent) {
      differences.push(`Index "${name}" is part of ${quoted(is.parent)}: expected ${quoted(parent)}`);
    }
    if (!is.valid) differences.push(`Index "${name}" on "${expected.name}" is invalid`);
    return differences;
  });
}

function quoted(name: string | null): string {
  return name === null ? "no other index" : `"${name}"`;
}
