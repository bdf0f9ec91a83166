/**
 * What a Postgres schema holds beside what is expected, and that loses rows, refuses them or is at least strange: the tables look
 * right, and the application's writes are not kept. Every query reads the catalogue alone.
 *
 * @module
 */

import type { Findings } from "../sql/step_store.ts";
import type { Query } from "./query.ts";
import type { SchemaObjects } from "./schema_objects.ts";

/**
 * Looks at the expected tables and all of their partitions, the operator's own included.
 *
 * @param expected The tables that a version should have.
 */
export async function findRowDangers(query: Query, expected: SchemaObjects): Promise<Findings> {
  const rows = await query<{ fault: boolean; text: string }>(DANGERS, [
    JSON.stringify(expected.map(({ name }) => name)),
    JSON.stringify(
      expected.flatMap(({ name, columns }) => columns.map((column) => `${name}.${column.name}`)),
    ),
    JSON.stringify(expected.flatMap(({ constraints }) => constraints.map(({ name }) => name))),
    JSON.stringify(expected.flatMap(({ indexes }) => indexes.map(({ name }) => name))),
  ]);
  const of = (wanted: boolean) => rows.filter(({ fault }) => fault === wanted).map(({ text }) => text);
  return { faults: of(true), warnings: of(false) };
}

const NAMES = (parameter: string) => `(SELECT jsonb_array_elements_text(${parameter}::text::jsonb))`;

// A column of a partition is expected where its table has one of that name.
const DANGERS = `
  WITH tree AS (
    SELECT DISTINCT ON (c.oid) c.*, coalesce(pg_partition_root(c.oid), c.oid) AS root
      FROM jsonb_array_elements_text($1::text::jsonb) AS w (name), pg_partition_tree(to_regclass(quote_ident(w.name))) p
      JOIN pg_class c ON c.oid = p.relid
  ), found AS (
    SELECT true AS fault, format('Table "%s" is unlogged or temporary: a crash of the server empties it', relname) AS text
      FROM tree WHERE relpersistence <> 'p' AND relkind = 'r'
    UNION ALL
    SELECT true, format('Column "%s"."%s" refuses NULL and has no default: rows that do not name it are refused', t.relname, a.attname)
      FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
       AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid IN (t.root, t.oid)
                        AND r.relname || '.' || a.attname IN ${NAMES("$2")})
    UNION ALL
    SELECT true, format('Constraint "%s" of "%s" may refuse rows: %s', k.conname, t.relname, pg_get_constraintdef(k.oid))
      FROM tree t JOIN pg_constraint k ON k.conrelid = t.oid
     WHERE k.contype IN ('c', 'f', 'x') AND k.conparentid = 0 AND (k.coninhcount = 0 OR k.conislocal)
       AND k.conname NOT IN ${NAMES("$3")}
    UNION ALL
    SELECT true, format('Index "%s" on "%s" is unique, and refuses rows', x.relname, t.relname)
      FROM tree t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
     WHERE (i.indisunique OR i.indisexclusion) AND i.indislive AND NOT x.relispartition AND x.relname NOT IN ${
  NAMES("$4")
}
    UNION ALL
    SELECT true, format('Index "%s" on "%s" is not kept up to date', x.relname, t.relname)
      FROM tree t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
     WHERE NOT i.indisready AND x.relname IN ${NAMES("$4")}
    UNION ALL
    SELECT p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'plpgsql') OR p.prosrc ~* 'return\\s+null',
           format('Trigger "%s" on "%s" runs before rows are written, and may drop or change them', g.tgname, t.relname)
      FROM tree t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled <> 'D'
      JOIN pg_proc p ON p.oid = g.tgfoid
     WHERE g.tgtype & 3 = 3
    UNION ALL
    SELECT r.is_instead, format('Rule "%s" on "%s" %s what is written to it', r.rulename, t.relname,
                                CASE WHEN r.is_instead THEN 'replaces' ELSE 'adds to' END)
      FROM tree t JOIN pg_rewrite r ON r.ev_class = t.oid AND r.ev_enabled <> 'D' AND r.ev_type <> '1'
    UNION ALL
    SELECT relforcerowsecurity, format('Row level security is %s on "%s"',
                                       CASE WHEN relforcerowsecurity THEN 'forced' ELSE 'enabled' END, relname)
      FROM tree WHERE relrowsecurity
    UNION ALL
    SELECT false, format('Column "%s"."%s" has the collation %s', t.relname, a.attname, c.collname)
      FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type y ON y.oid = a.atttypid JOIN pg_collation c ON c.oid = a.attcollation
     WHERE a.attcollation <> y.typcollation
    UNION ALL
    SELECT false, format('Table "%s" belongs to %s, and "%s" to %s', t.relname, pg_get_userbyid(t.relowner), r.relname,
                         pg_get_userbyid(r.relowner))
      FROM tree t JOIN pg_class r ON r.oid = t.root WHERE t.relowner <> r.relowner
  )
  SELECT DISTINCT fault, text FROM found ORDER BY text`;
