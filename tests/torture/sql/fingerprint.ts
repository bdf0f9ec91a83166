/**
 * What a schema is made of, read from the catalogue by these tests themselves.
 *
 * @module
 */

import type postgres from "postgres";

/** Tables of the tool, of golang-migrate, and of the operators of these histories. */
const OTHERS =
  "relname NOT LIKE 'outpost\\_%' AND relname NOT LIKE 'op\\_%' AND relname <> 'schema_migrations'";

/** Every column, index and constraint of Outpost's tables as a line. The order of columns does not count. */
export async function fingerprint(sql: postgres.Sql, schema: string): Promise<ReadonlySet<string>> {
  const rows = await sql.unsafe<{ line: string }[]>(
    `WITH tables AS (
       SELECT oid, relname FROM pg_class
        WHERE relnamespace = '${schema}'::regnamespace AND relkind IN ('r', 'p') AND ${OTHERS}
     )
     SELECT format('column %s.%s %s %s %s', relname, attname, format_type(atttypid, atttypmod),
              CASE WHEN attnotnull THEN 'not null' ELSE '' END, attgenerated) AS line
       FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
     UNION ALL
     SELECT format('default %s.%s %s', relname, attname, pg_get_expr(adbin, adrelid))
       FROM tables JOIN pg_attrdef ON adrelid = tables.oid JOIN pg_attribute a ON a.attrelid = adrelid AND attnum = adnum
     UNION ALL
     SELECT format('index %s valid %s', pg_get_indexdef(indexrelid), indisvalid)
       FROM tables JOIN pg_index ON indrelid = tables.oid
     UNION ALL
     SELECT format('constraint %s.%s %s', relname, conname, pg_get_constraintdef(c.oid))
       FROM tables JOIN pg_constraint c ON conrelid = tables.oid
     UNION ALL
     SELECT format('partition %s of %s', tables.relname, inhparent::regclass::text)
       FROM tables JOIN pg_inherits ON inhrelid = tables.oid`,
  );
  return new Set(rows.map(({ line }) => line.replaceAll(`${schema}.`, "").replaceAll(`"${schema}".`, "")));
}

/** What a preparation consists of: its tables, functions and triggers. */
export async function readPrepared(sql: postgres.Sql, schema: string): Promise<string[]> {
  const rows = await sql.unsafe<{ line: string }[]>(
    `SELECT 'table ' || relname AS line FROM pg_class
      WHERE relnamespace = '${schema}'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'outpost\\_prepared%'
     UNION ALL
     SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = '${schema}'::regnamespace
     UNION ALL
     SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal`,
  );
  return rows.map(({ line }) => line);
}

/** What one has and the other has not, a few of it. Empty when they are the same. */
export function differences(found: ReadonlySet<string>, wanted: ReadonlySet<string>): string[] {
  return [
    ...[...wanted].filter((line) => !found.has(line)).map((line) => `missing: ${line}`),
    ...[...found].filter((line) => !wanted.has(line)).map((line) => `unexpected: ${line}`),
  ].slice(0, 4);
}
