/**
 * A partition that is made under a name of its own, to take the place of another one.
 *
 * @module
 */

import type { SqlStatement } from "../sql/statement.ts";
import { quoteIdentifier } from "./query.ts";
import type { TableObject } from "./schema_objects.ts";

/** A partition that is made beside the one whose place it takes. */
export interface NewPartition {
  /** Name of the partitioned table before. */
  readonly was: string;
  /** What it is in the end. */
  readonly target: TableObject;
  /** What it is called meanwhile. */
  readonly name: string;
  /** Queries over the tables before that together give its rows, with the columns of the target. */
  readonly sources: readonly string[];
  readonly create: SqlStatement;
  readonly constraints: readonly SqlStatement[];
  readonly indexes: readonly SqlStatement[];
  readonly analyze: SqlStatement;
  /** Put it in its place. */
  readonly place: readonly SqlStatement[];
}

/** Statements that make a partition under a name of its own, and those that put it in its place. */
export function makePartition(
  target: TableObject,
  parent: string,
  name: string,
): Pick<NewPartition, "create" | "constraints" | "indexes" | "analyze" | "place"> | null {
  if (target.columns.some(({ generated }) => generated !== null)) return null;
  const columns = target.columns.map((column) =>
    `  ${quoteIdentifier(column.name)} ${column.type}${
      column.default === null ? "" : ` DEFAULT ${column.default}`
    }${column.notNull ? " NOT NULL" : ""}`
  );
  const constraints = target.constraints.map(({ name: final, definition }, i) => ({
    final,
    temporary: `${name}_key_${i + 1}`,
    definition,
  }));
  const indexes = target.indexes.filter((index) => !constraints.some(({ final }) => final === index.name))
    .map(({ name: final, definition }, i) => {
      const temporary = `${name}_index_${i + 1}`;
      // The server writes plain names as they are.
      const head = `INDEX ${final} ON ${target.name} `;
      return {
        final,
        temporary,
        text: definition.replace(head, `INDEX ${temporary} ON ${name} `),
        found: definition.includes(head),
      };
    });
  if (indexes.some(({ found }) => !found)) return null;
  return {
    create: { text: `CREATE TABLE ${name} (\n${columns.join(",\n")}\n)` },
    constraints: constraints.map(({ temporary, definition }) => ({
      text: `ALTER TABLE ${name} ADD CONSTRAINT ${temporary} ${definition}`,
    })),
    indexes: indexes.map(({ text }) => ({ text })),
    analyze: { text: `ANALYZE ${name}` },
    place: [
      { text: `ALTER TABLE ${name} RENAME TO ${quoteIdentifier(target.name)}` },
      ...constraints.map(({ temporary, final }) => ({
        text: `ALTER TABLE ${quoteIdentifier(target.name)} RENAME CONSTRAINT ${temporary} TO ${
          quoteIdentifier(final)
        }`,
      })),
      ...indexes.map(({ temporary, final }) => ({
        text: `ALTER INDEX ${temporary} RENAME TO ${quoteIdentifier(final)}`,
      })),
      takeOverNames(parent, target.name),
      {
        text: `ALTER TABLE ${quoteIdentifier(parent)} ATTACH PARTITION ${
          quoteIdentifier(target.name)
        } DEFAULT`,
      },
    ],
  };
}

/** Newer servers name what is NOT NULL: a partition that was never another table's has the names of its parent. */
function takeOverNames(parent: string, leaf: string): SqlStatement {
  const [ofParent, ofLeaf] = [parent, leaf].map((table) =>
    `'${quoteIdentifier(table).replaceAll("'", "''")}'::regclass`
  );
  return {
    text: `DO $$
DECLARE
  own record;
BEGIN
  FOR own IN
    SELECT mine.conrelid::regclass AS leaf, mine.conname AS was, theirs.conname AS name
      FROM pg_constraint mine
      JOIN pg_attribute m ON m.attrelid = mine.conrelid AND m.attnum = mine.conkey[1]
      JOIN pg_attribute t ON t.attrelid = ${ofParent} AND t.attname = m.attname
      JOIN pg_constraint theirs ON theirs.conrelid = t.attrelid AND theirs.contype = 'n' AND theirs.conkey[1] = t.attnum
     WHERE mine.conrelid = ${ofLeaf} AND mine.contype = 'n' AND mine.conname <> theirs.conname
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', own.leaf, own.was, own.name);
  END LOOP;
END
$$`,
  };
}
