/**
 * What stands in a Postgres schema, object by object, in a form that two databases can be compared in: no OIDs, no name of
 * the schema itself, nothing that differs between releases of the server.
 *
 * @module
 */

import type { Query } from "./query.ts";

/** One column, in the table's order. */
export interface ColumnObject {
  /** Name of the column. */
  readonly name: string;
  /** As the server writes it, for example `timestamp with time zone`. */
  readonly type: string;
  /** True where NULL is refused. */
  readonly notNull: boolean;
  /** Expression of the default, or null. */
  readonly default: string | null;
  /** Expression of a stored generated column, or null. */
  readonly generated: string | null;
}

/** A constraint other than NOT NULL, which stands with its column. */
export interface ConstraintObject {
  /** Name of the constraint. */
  readonly name: string;
  /** As the server writes it, for example `PRIMARY KEY ("time", id)`. */
  readonly definition: string;
}

/** One index, the primary key's included. */
export interface IndexObject {
  /** Name of the index. */
  readonly name: string;
  /** The `CREATE INDEX` statement without the name of the schema. */
  readonly definition: string;
  /** Index of the partitioned table that this one is part of, or null. */
  readonly parent: string | null;
  /** False for what an interrupted `CREATE INDEX CONCURRENTLY` left. */
  readonly valid: boolean;
}

/** One table or partition. */
export interface TableObject {
  /** Name of the table. */
  readonly name: string;
  /** For example `RANGE ("time")`, or null for a table without partitions. */
  readonly partitionKey: string | null;
  /** The table that it is a partition of, and its bound, or null. */
  readonly partitionOf: { readonly table: string; readonly bound: string } | null;
  /** In the table's order. */
  readonly columns: readonly ColumnObject[];
  /** By name. */
  readonly constraints: readonly ConstraintObject[];
  /** By name. */
  readonly indexes: readonly IndexObject[];
}

/** The tables of a schema, by name. */
export type SchemaObjects = readonly TableObject[];

/**
 * Reads the tables of the current schema. Nothing is written or locked.
 *
 * @param schema Name of the schema, or null where there is none.
 * @returns Tables sorted by name; an empty list for an empty or missing schema.
 */
export async function readSchemaObjects(query: Query, schema: string | null): Promise<SchemaObjects> {
  const [found] = await query<SchemaRow>(SCHEMA, [schema]);
  const { tables, columns, constraints, indexes } = found!;
  const of = <T extends { table: string }>(rows: readonly T[], table: string): Omit<T, "table">[] =>
    rows.filter((row) => row.table === table).map(({ table: _, ...rest }) => rest);
  return tables.map(({ name, partitionKey, parent, bound }) => ({
    name,
    partitionKey,
    partitionOf: parent === null || bound === null ? null : { table: parent, bound },
    columns: of(columns, name),
    constraints: of(constraints, name),
    indexes: of(indexes, name),
  }));
}

/** Rows of the catalog. */
interface SchemaRow {
  readonly tables: readonly TableRow[];
  readonly columns: readonly (ColumnObject & { readonly table: string })[];
  readonly constraints: readonly (ConstraintObject & { readonly table: string })[];
  readonly indexes: readonly (IndexObject & { readonly table: string })[];
}

interface TableRow {
  readonly name: string;
  readonly partitionKey: string | null;
  readonly parent: string | null;
  readonly bound: string | null;
}

const TABLES = `
  SELECT c.relname AS name,
         pg_get_partkeydef(c.oid) AS "partitionKey",
         parent.relname AS parent,
         pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
    LEFT JOIN pg_class parent ON parent.oid = i.inhparent
   WHERE c.relkind IN ('r', 'p')
   ORDER BY c.relname COLLATE "C"`;

const COLUMNS = `
  SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
         a.attnotnull AS "notNull",
         CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
         CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS generated
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE c.relkind IN ('r', 'p')
   ORDER BY c.relname COLLATE "C", a.attnum`;

// Newer servers keep NOT NULL among the constraints as well: it stands with the columns here, on every release.
const CONSTRAINTS = `
  SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS definition
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')
   WHERE c.relkind IN ('r', 'p')
   ORDER BY c.relname COLLATE "C", k.conname COLLATE "C"`;

const INDEXES = `
  SELECT c.relname AS table, x.relname AS name, 
         regexp_replace(pg_get_indexdef(x.oid), '( ON (ONLY )?)' || regexp_replace(quote_ident(n.nspname), '\\W', '\\\\\\&', 'g') || '\\.', '\\1')
           AS definition, parent.relname AS parent,
         i.indisvalid AS valid
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
    JOIN pg_index i ON i.indrelid = c.oid
    JOIN pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_inherits h ON h.inhrelid = x.oid
    LEFT JOIN pg_class parent ON parent.oid = h.inhparent
   WHERE c.relkind IN ('r', 'p')
   ORDER BY c.relname COLLATE "C", x.relname COLLATE "C"`;

// In one question: under a lock each answer that is waited for counts.
const SCHEMA = `SELECT ${
  Object.entries({ tables: TABLES, columns: COLUMNS, constraints: CONSTRAINTS, indexes: INDEXES })
    .map(([name, rows]) => `(SELECT coalesce(json_agg(one), '[]') FROM (${rows}) AS one) AS ${name}`)
    .join(", ")
}`;
