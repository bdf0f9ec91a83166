/**
 * Looks at the tool's own tables before anything is written to them. Whoever may create tables in the schema could have made
 * them first, with a trigger, a default or a rule that runs with the rights of the one who writes.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import { UntrustedError } from "../untrusted_error.ts";
import type { Query } from "./query.ts";

/** A table of the tool's own. */
export interface OwnTable {
  readonly name: string;
  /** What it consists of, for example `version bigint`; null where only a step knows. */
  readonly columns: readonly string[] | null;
  /** True where a step of the tool's own may have put a view in its place. */
  readonly mayBeView?: boolean;
}

/** Defaults that only the server's own functions make. A function of somebody else's is written with its schema. */
const HARMLESS_DEFAULT = String
  .raw`^(nextval\('[^']*'::regclass\)|now\(\)|clock_timestamp\(\)|CURRENT_TIMESTAMP)$`;

/**
 * Names what is wrong with the tables of a schema that the tool writes to beside the application's: those that are no ordinary
 * tables, belong to a stranger, or hold anything that acts when they are written to.
 *
 * @returns One sentence each, without a final period; empty when they may be written to, or do not exist yet.
 */
export async function findUntrusted(
  query: Query,
  schema: string | null,
  tables: readonly OwnTable[],
): Promise<string[]> {
  return await lookAt(query, schema, tables, reasonsAgainstWriting);
}

/** @throws {RefusedError} When a table that would be written to cannot be trusted. */
export async function assertTrusted(...given: Parameters<typeof findUntrusted>): Promise<void> {
  const found = await findUntrusted(...given);
  if (found.length > 0) throw untrusted(found);
}

/**
 * Makes sure that reading tables only reads: behind a view stands whatever its maker put there.
 *
 * @throws {RefusedError} When one of them is no ordinary table, or lacks columns.
 */
export async function assertReadable(...given: Parameters<typeof findUntrusted>): Promise<void> {
  const found = await lookAt(...given, reasonsAgainstReading);
  if (found.length > 0) throw untrusted(found);
}

async function lookAt(
  query: Query,
  schema: string | null,
  tables: readonly OwnTable[],
  reasonsAgainst: (facts: Facts, table: OwnTable) => readonly string[],
): Promise<string[]> {
  if (schema === null) return [];
  const names = JSON.stringify(tables.map(({ name }) => name));
  const rows = await query<Facts>(FACTS, [schema, names, HARMLESS_DEFAULT]);
  return tables.flatMap((table) => {
    const facts = rows.find(({ name }) => name === table.name);
    const reasons = facts === undefined ? [] : reasonsAgainst(facts, table);
    return reasons.length === 0 ? [] : [`The table "${table.name}" cannot be trusted: ${reasons.join(", ")}`];
  });
}

function untrusted(found: readonly string[]): UntrustedError {
  return new UntrustedError(`Cannot use Postgres: ${found.join("; ")}`, found.map(untrustedBlocker));
}

/** The same as what stands in the way of a plan: what the plan says of the rest holds. */
export function untrustedBlocker(detail: string): Blocker {
  return { store: "postgres", kind: "untrusted", object: "bookkeeping", detail, hint: UNTRUSTED_HINT };
}

const UNTRUSTED_HINT =
  "Look at who made the table. If it is yours, take away what is named, run as its owner, or give it to the owner of the " +
  "database; if another tool keeps it, name another schema in search_path; if it is nobody's, rename it: what it holds may be needed";

interface Facts {
  readonly name: string;
  readonly ordinary: boolean;
  /** It is a view of this user's own, or of one who may do anything anyway. */
  readonly own_view: boolean;
  readonly owner: string;
  readonly owned: boolean;
  readonly triggers: string[];
  readonly rules: boolean;
  readonly policies: boolean;
  readonly related: boolean;
  readonly checks: boolean;
  readonly expressions: boolean;
  readonly columns: string[];
  readonly foreign_types: boolean;
  readonly defaults: boolean;
}

function reasonsAgainstReading(facts: Facts, { columns }: OwnTable): string[] {
  const missing = (columns ?? []).filter((column) => !facts.columns.includes(column));
  return [
    ...(facts.ordinary ? [] : ["it is no ordinary table"]),
    ...(missing.length === 0 ? [] : [`it lacks columns (${missing.join(", ")})`]),
  ];
}

function reasonsAgainstWriting(facts: Facts, table: OwnTable): string[] {
  // What a view does when it is read and written to, its owner alone can say; only triggers could be another's.
  if (table.mayBeView && facts.own_view && facts.triggers.length === 0) return [];
  const { columns } = table;
  const surprising = columns === null ? [] : facts.columns.filter((column) => !columns.includes(column));
  const more: [boolean, string][] = [
    [!facts.owned, `it belongs to "${facts.owner}", who neither runs this nor owns the database`],
    [facts.triggers.length > 0, `it has triggers (${facts.triggers.join(", ")})`],
    [facts.rules, "it has rules"],
    [facts.policies, "it has row level security"],
    [facts.related, "other tables inherit from it, or it from them"],
    [facts.checks, "it has constraints that compute"],
    [facts.expressions, "it has indexes that compute"],
    [facts.foreign_types, "it has columns of types that are not the server's own"],
    [facts.defaults, "it has defaults or columns that compute"],
    [surprising.length > 0, `it has columns that nobody expects (${surprising.join(", ")})`],
  ];
  return [
    ...reasonsAgainstReading(facts, table),
    ...more.flatMap(([applies, reason]) => (applies ? [reason] : [])),
  ];
}

/** Objects below this number came with the server. */
const FIRST_OWN_OBJECT = 16384;

/**
 * One row for each table that exists. Read from the catalog alone, which anybody may. An expression is read under the lock of its
 * table: so never of others, as a planner might who may look at all of them at once.
 */
const FACTS = `
  SELECT c.relname AS name,
         c.relkind = 'r' AND NOT c.relispartition AND c.relpersistence = 'p' AS ordinary,
         c.relkind = 'v' AND (o.rolname = current_user OR o.rolsuper) AS own_view,
         o.rolname AS owner,
         o.rolname = current_user OR o.rolsuper
           OR o.oid = (SELECT datdba FROM pg_database WHERE datname = current_database()) AS owned,
         to_json(ARRAY(SELECT tgname FROM pg_trigger WHERE tgrelid = c.oid ORDER BY tgname)) AS triggers,
         EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) AS rules,
         c.relrowsecurity OR c.relforcerowsecurity
           OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS policies,
         EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid) AS related,
         EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype NOT IN ('p', 'u', 'n')) AS checks,
         EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND (indexprs IS NOT NULL OR indpred IS NOT NULL)) AS expressions,
         to_json(ARRAY(SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
                        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)) AS columns,
         EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                    AND atttypid >= ${FIRST_OWN_OBJECT}) AS foreign_types,
         coalesce((SELECT bool_or(a.attgenerated <> '' OR pg_get_expr(d.adbin, d.adrelid) !~ $3::text)
                     FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                    WHERE d.adrelid = c.oid), false) AS defaults
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
   WHERE n.nspname = $1::text AND c.relkind NOT IN ('i', 'I')
     AND c.relname IN (SELECT jsonb_array_elements_text($2::text::jsonb))`;
