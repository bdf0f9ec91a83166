/**
 * Finds what would make a step fail in the middle of a run, or go unseen with what it drops: before anything is changed. Every
 * query reads the catalogue alone.
 *
 * @module
 */

import { type Blocker, remedy } from "../blocker.ts";
import { type Hint, hint } from "../hint.ts";
import type { PendingChanges } from "../sql/step_store.ts";
import { findDetached } from "./detached.ts";
import { type Query, tableNamed } from "./query.ts";
import type { SchemaObjects } from "./schema_objects.ts";

/** What is looked at beside the changes. */
export interface PreflightOptions {
  /** The current schema, or null where there is none. */
  readonly schema: string | null;
  /** Tables that are written to beside the application's, those that exist. */
  readonly own: readonly string[];
  /** Names of tables and indexes that will be made. */
  readonly made: readonly string[];
  /** Names of indexes that releases have, which steps deal with. */
  readonly released: readonly string[];
  /** The tables that the version reached should have. */
  readonly expected: SchemaObjects;
}

/** What stands in the way; empty when nothing does. */
export async function findSqlBlockers(
  query: Query,
  { tables, changes, from }: PendingChanges,
  { schema, own, made, released, expected }: PreflightOptions,
): Promise<readonly Blocker[]> {
  const dependants = await query<Dependant>(DEPENDANTS, [
    JSON.stringify(changes),
    JSON.stringify(released),
  ]);
  const rights = await query<Missing>(RIGHTS, [JSON.stringify(tables), JSON.stringify(own), schema]);
  const prepared = await query<Prepared>(PREPARED, [JSON.stringify(tables)]);
  const detached = await findDetached(query, expected);
  const taken = await query<{ name: string; kind: string }>(TAKEN, [JSON.stringify(made), schema]);
  return [
    ...dependants.map(dependantBlocker),
    ...rights.map(rightsBlocker),
    ...prepared.map(preparedBlocker),
    ...detached,
    ...taken.map(({ name, kind }) =>
      blocker(
        "name",
        name,
        `There is ${kind} called ${name} already, which a step makes`,
        from === 0 ? UNRECORDED_HINT : "Rename what is there",
      )
    ),
  ];
}

/** Where nothing is recorded, tables of these names are most likely the real ones. */
const UNRECORDED_HINT =
  hint`If these are the application's own, made by other means, set the version that they have by hand \
(${"force VERSION"}); if not, rename what is there`;

function blocker(kind: string, object: string, detail: string, told: string | Hint): Blocker {
  return { store: "postgres", kind, object, detail, ...remedy(told) };
}

interface Dependant {
  readonly kind: keyof typeof DOES;
  readonly object: string;
  /** The column, or the table. */
  readonly what: string;
  readonly step: string;
  readonly change: "retyped" | "dropped";
}

/** What each kind of object does with a column or a table. */
const DOES = {
  view: "reads",
  rule: "uses",
  function: "uses",
  trigger: "watches",
  policy: "uses",
  publication: "publishes",
  "foreign key": "refers to",
  "generated column": "is computed from",
  index: "is built on",
  check: "checks",
  type: "has the row type of",
} as const;

function dependantBlocker({ kind, object, what, step, change }: Dependant): Blocker {
  const becomes = change === "dropped" ? "drops" : "gives another type";
  return blocker(
    kind.replaceAll(" ", "_"),
    object,
    `The ${kind} ${object} ${DOES[kind]} ${what}, which ${step} ${becomes}`,
    `Take the ${kind} away before, and make it anew for the new columns afterwards`,
  );
}

interface Missing {
  readonly object: string;
  readonly right: string;
  readonly role: string;
  readonly owner: string | null;
}

function rightsBlocker({ object, right, role, owner }: Missing): Blocker {
  return owner === null
    ? blocker(
      "rights",
      object,
      `The role ${role} lacks ${right} on ${object}`,
      `Grant it, or run as a role that has it`,
    )
    : blocker(
      "ownership",
      object,
      `${object} belongs to ${owner}, and the role ${role} is no member of it`,
      `Run as ${owner}, or make ${role} a member of it`,
    );
}

interface Prepared {
  readonly gid: string;
  readonly object: string;
  readonly since: string;
}

function preparedBlocker({ gid, object, since }: Prepared): Blocker {
  return blocker(
    "prepared_transaction",
    gid,
    `The prepared transaction ${gid} has held ${object} since ${since}, and would be waited for in vain`,
    "End it with COMMIT PREPARED or ROLLBACK PREPARED",
  );
}

/** Tables of a list and their partitions, read from the catalogue: the server's own function for it waits for who locks them. */
const TREE = (names: string) => `
  SELECT w.name AS root, ${
  tableNamed("w.name")
}::oid AS oid FROM jsonb_array_elements_text(${names}) AS w (name)
  UNION
  SELECT t.root, i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid`;

const DEPENDANTS = `
  WITH RECURSIVE wanted AS (
    SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS w (step text, "table" text, "column" text, change text)
  ), tree AS (${TREE(`(SELECT coalesce(jsonb_agg(DISTINCT w."table"), '[]') FROM wanted w)`)}), changed AS (
    SELECT w.step, w.change, concat_ws('.', w."table", w."column") AS what, c.oid AS relid, c.reltype,
           coalesce(a.attnum, 0) AS attnum
      FROM wanted w
      JOIN tree t ON t.root = w."table"
      JOIN pg_class c ON c.oid = t.oid
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w."column" AND NOT a.attisdropped
     WHERE w."column" IS NULL OR a.attnum IS NOT NULL
  ), used AS (
    SELECT c.*, d.classid, d.objid
      FROM changed c
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relid
       AND (c.attnum = 0 OR d.refobjsubid = c.attnum)
  ), found AS (
    SELECT CASE WHEN v.relkind IN ('v', 'm') AND r.rulename = '_RETURN' THEN 'view' ELSE 'rule' END AS kind,
           CASE WHEN v.relkind IN ('v', 'm') AND r.rulename = '_RETURN' THEN v.oid::regclass::text
                ELSE quote_ident(r.rulename) || ' on ' || v.oid::regclass::text END AS object, u.what, u.step, u.change
      FROM used u JOIN pg_rewrite r ON u.classid = 'pg_rewrite'::regclass AND r.oid = u.objid
      JOIN pg_class v ON v.oid = r.ev_class
    UNION
    SELECT 'function', p.oid::regprocedure::text, u.what, u.step, u.change
      FROM used u JOIN pg_proc p ON u.classid = 'pg_proc'::regclass AND p.oid = u.objid
    UNION
    SELECT 'trigger', quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text, u.what, u.step, u.change
      FROM used u JOIN pg_trigger t ON u.classid = 'pg_trigger'::regclass AND t.oid = u.objid AND NOT t.tgisinternal
       AND t.tgparentid = 0
    UNION
    SELECT 'policy', quote_ident(p.polname) || ' on ' || p.polrelid::regclass::text, u.what, u.step, u.change
      FROM used u JOIN pg_policy p ON u.classid = 'pg_policy'::regclass AND p.oid = u.objid
    UNION
    SELECT 'publication', quote_ident(p.pubname), u.what, u.step, u.change
      FROM used u JOIN pg_publication_rel r ON u.classid = 'pg_publication_rel'::regclass AND r.oid = u.objid
      JOIN pg_publication p ON p.oid = r.prpubid
    UNION
    SELECT 'foreign key', quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text, u.what, u.step, u.change
      FROM used u JOIN pg_constraint k ON u.classid = 'pg_constraint'::regclass AND k.oid = u.objid
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = u.relid AND k.conrelid <> u.relid
       AND (u.attnum = 0 OR u.attnum = ANY (k.confkey))
    UNION
    SELECT 'check', quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text, u.what, u.step, u.change
      FROM used u JOIN pg_constraint k ON u.classid = 'pg_constraint'::regclass AND k.oid = u.objid
     WHERE k.contype = 'c' AND u.change = 'retyped'
    UNION
    SELECT 'generated column', d.adrelid::regclass::text || '.' || quote_ident(g.attname), u.what, u.step, u.change
      FROM used u JOIN pg_attrdef d ON u.classid = 'pg_attrdef'::regclass AND d.oid = u.objid
      JOIN pg_attribute g ON g.attrelid = d.adrelid AND g.attnum = d.adnum AND g.attgenerated <> ''
     WHERE u.attnum <> 0 AND g.attnum <> u.attnum
    UNION
    -- Where the column alone is indexed by value, the server builds the index anew for the new type.
    SELECT 'index', x.oid::regclass::text, u.what, u.step, u.change
      FROM used u JOIN pg_class x ON u.classid = 'pg_class'::regclass AND x.oid = u.objid
      JOIN pg_index i ON i.indexrelid = x.oid
      JOIN pg_am m ON m.oid = x.relam
     WHERE u.change = 'retyped' AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR m.amname NOT IN ('btree', 'hash'))
       AND NOT x.relname IN (SELECT jsonb_array_elements_text($2::text::jsonb))
    UNION
    SELECT 'type', x.attrelid::regclass::text || '.' || quote_ident(x.attname), c.what, c.step, c.change
      FROM changed c JOIN pg_type t ON t.oid = c.reltype
      JOIN pg_attribute x ON x.atttypid <> 0 AND x.atttypid IN (t.oid, t.typarray) AND NOT x.attisdropped
     WHERE c.change = 'retyped' OR c.attnum = 0
  )
  SELECT DISTINCT kind, object, what, step, change FROM found ORDER BY step, what, kind, object`;

const RIGHTS = `
  WITH RECURSIVE tree AS (${TREE("$1::text::jsonb")})
  SELECT DISTINCT t.oid::regclass::text AS object, 'ownership' AS right, current_user::text AS role,
         pg_get_userbyid(c.relowner)::text AS owner
    FROM tree t JOIN pg_class c ON c.oid = t.oid
   WHERE NOT pg_has_role(current_user, c.relowner, 'USAGE')
  UNION ALL
  SELECT t.name, r.right, current_user::text, NULL
    FROM (SELECT name, to_regclass(quote_ident(name))::oid AS oid FROM jsonb_array_elements_text($2::text::jsonb) AS name) t,
         unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS r ("right")
   WHERE t.oid IS NOT NULL AND NOT has_table_privilege(current_user, t.oid, r.right)
  UNION ALL
  SELECT 'the schema ' || n.nspname, 'CREATE', current_user::text, NULL
    FROM pg_namespace n WHERE n.nspname = $3::text AND NOT has_schema_privilege(current_user, n.oid, 'CREATE')
   ORDER BY object, "right"`;

const PREPARED = `
  WITH RECURSIVE tree AS (${TREE("$1::text::jsonb")})
  SELECT DISTINCT p.gid, min(l.relation::regclass::text) AS object,
         to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
    FROM pg_prepared_xacts p
    JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.pid IS NULL
    JOIN pg_locks l ON l.locktype = 'relation' AND l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL
    JOIN tree t ON t.oid = l.relation
   WHERE p.database = current_database()
   GROUP BY p.gid, p.prepared ORDER BY p.gid`;

const TAKEN = `
  SELECT c.relname AS name,
         CASE c.relkind WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index' WHEN 'v' THEN 'a view' ELSE 'a table' END AS kind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $2::text
   WHERE c.relname IN (SELECT jsonb_array_elements_text($1::text::jsonb)) ORDER BY c.relname`;
