/**
 * Whether tables may be made anew: nothing may hang on them, or on their partition, that would be lost with it.
 *
 * @module
 */

import { compareSchema } from "./compare_schema.ts";
import type { Query } from "./query.ts";
import { readSchemaObjects, type SchemaObjects } from "./schema_objects.ts";

/**
 * Names what an operator has on tables that a new partition would not have.
 *
 * @param expected The schema that the tables should have.
 * @param tables Names of partitioned tables.
 * @param own What is this tool's own and goes before tables are made anew: names of triggers, and of columns with their indexes.
 * @returns One sentence each, without a final period; empty where they may be made anew.
 */
export async function findOwnWork(
  query: Query,
  schema: string | null,
  expected: SchemaObjects,
  tables: readonly string[],
  own: { readonly triggers?: readonly string[]; readonly columns: readonly string[] },
): Promise<readonly string[]> {
  const of = (objects: SchemaObjects) =>
    objects.filter(({ name, partitionOf }) =>
      tables.includes(name) || tables.includes(partitionOf?.table ?? "")
    ).map((table) => ({
      ...table,
      columns: table.columns.filter(({ name }) => !own.columns.includes(name)),
      indexes: table.indexes.filter(({ name }) =>
        !own.columns.some((column) => name.startsWith(`${column}_`))
      ),
    }));
  const [wanted, found] = [of(expected), of(await readSchemaObjects(query, schema))];
  const order = { anyOrder: "all" } as const;
  const differences = compareSchema(wanted, found, order);
  // The other way round, what is there and not expected is missing.
  const more = compareSchema(found, wanted, order).length > 0 && differences.length === 0
    ? [`${tables.join(", ")} have columns, constraints, indexes or partitions of their own`]
    : [];
  const rows = await query<{ table: string; what: string }>(OWN_WORK, [
    JSON.stringify(tables),
    JSON.stringify(own.triggers ?? []),
    JSON.stringify(own.columns),
  ]);
  return [...differences, ...more, ...rows.map(({ table, what }) => `Table "${table}" has ${what}`)];
}

/** A whole schema is published. Older servers have no such catalogue, and its name is looked up by those that have. */
function publishes(schema: string): string {
  return `EXISTS (SELECT FROM pg_depend WHERE classid = to_regclass('pg_catalog.pg_publication_namespace')
                     AND refclassid = 'pg_namespace'::regclass AND refobjid ${schema})`;
}

// Columns that only newer servers have are read by name.
const OWN_WORK = `
  WITH parts AS (
    SELECT to_regclass(name)::oid AS parent, i.inhrelid AS leaf
      FROM jsonb_array_elements_text($1::text::jsonb) AS name
      JOIN pg_inherits i ON i.inhparent = to_regclass(name)
  )
  SELECT leaf.relname AS "table", found.what
    FROM parts
    JOIN pg_class leaf ON leaf.oid = parts.leaf
    JOIN pg_class parent ON parent.oid = parts.parent
   CROSS JOIN LATERAL (VALUES
     (leaf.relkind <> 'r' OR leaf.relpersistence <> 'p'
        OR leaf.relam <> (SELECT oid FROM pg_am WHERE amname = 'heap'), 'another kind of storage'),
     (leaf.relnamespace <> parent.relnamespace, 'another schema than its table'),
     (leaf.relowner <> parent.relowner OR pg_get_userbyid(leaf.relowner) <> current_user, 'another owner'),
     (EXISTS (SELECT FROM aclexplode(leaf.relacl) WHERE grantor <> leaf.relowner), 'privileges that another role than its owner granted'),
     (leaf.reloptions IS NOT NULL
        OR EXISTS (SELECT FROM pg_class WHERE oid = leaf.reltoastrelid AND reloptions IS NOT NULL), 'storage options of its own'),
     (leaf.reltablespace <> 0, 'a tablespace of its own'),
     (leaf.relreplident <> 'd', 'a replica identity of its own'),
     (leaf.relrowsecurity OR leaf.relforcerowsecurity OR parent.relrowsecurity OR parent.relforcerowsecurity
        OR EXISTS (SELECT FROM pg_policy WHERE polrelid IN (leaf.oid, parent.oid)), 'row level security'),
     (EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = leaf.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND (a.attacl IS NOT NULL OR a.attstorage <> t.typstorage
                      -- A server may write an option of its own on every column, as Debian's 15.20 does.
                      OR EXISTS (SELECT FROM unnest(a.attoptions) AS o WHERE o NOT LIKE 'pg_attver=%')
                      OR coalesce(a.attstattarget::int, -1) >= 0 OR a.attcollation <> t.typcollation
                      OR coalesce(to_jsonb(a) ->> 'attcompression', '') <> '')),
      'columns with privileges, storage, statistics or a collation of their own'),
     (EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
               WHERE i.indrelid = leaf.oid
                 AND (x.reloptions IS NOT NULL OR x.reltablespace <> 0 OR i.indisclustered OR i.indisreplident
                      OR NOT i.indisready AND NOT EXISTS (SELECT FROM jsonb_array_elements_text($3::text::jsonb) AS own
                                                           WHERE starts_with(x.relname::text, own || '_'))
                      OR EXISTS (SELECT FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = x.oid))),
      'indexes with settings or comments of their own'),
     (EXISTS (SELECT FROM pg_trigger WHERE tgrelid IN (leaf.oid, parent.oid)
                 AND tgname NOT IN (SELECT jsonb_array_elements_text($2::text::jsonb))), 'triggers'),
     (EXISTS (SELECT FROM pg_rewrite WHERE ev_class IN (leaf.oid, parent.oid)), 'rules'),
     (EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid IN (leaf.oid, parent.oid)
                 AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)), 'views or functions over it'),
     (EXISTS (SELECT FROM pg_constraint WHERE contype NOT IN ('n', 'p')
                 AND (conrelid IN (leaf.oid, parent.oid) OR confrelid IN (leaf.oid, parent.oid))), 'constraints of its own'),
     (EXISTS (SELECT FROM pg_publication_rel WHERE prrelid IN (leaf.oid, parent.oid))
        OR EXISTS (SELECT FROM pg_publication WHERE puballtables)
        OR ${publishes("IN (leaf.relnamespace, parent.relnamespace)")}, 'a publication'),
     (EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid IN (leaf.oid, parent.oid)), 'a subscription'),
     (EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid IN (leaf.oid, parent.oid)), 'extended statistics'),
     (EXISTS (SELECT FROM pg_inherits WHERE inhparent = leaf.oid), 'tables that inherit from it'),
     (EXISTS (SELECT FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = leaf.oid), 'comments'),
     (EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = leaf.oid), 'security labels')
   ) AS found (there, what)
   WHERE found.there
   UNION ALL
  -- What tables will have that earlier steps are yet to make.
  SELECT name, found.what
    FROM jsonb_array_elements_text($1::text::jsonb) AS name
   CROSS JOIN LATERAL (VALUES
     (current_setting('default_tablespace') <> '', 'a tablespace of its own'),
     (EXISTS (SELECT FROM pg_publication WHERE puballtables)
        OR ${publishes("= quote_ident(current_schema())::regnamespace")}, 'a publication')
   ) AS found (there, what)
   WHERE to_regclass(name) IS NULL AND found.there
   ORDER BY 1, 2`;
