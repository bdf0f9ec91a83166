/**
 * How far a preparation is, and whether it can be used, read without writing.
 *
 * @module
 */

import { type Blocker, remedy } from "../../blocker.ts";
import { harmless } from "../../foreign_text.ts";
import { hint } from "../../hint.ts";
import type { SqlPrepared } from "../../sql/sql_prepared.ts";
import { type Query, quoteIdentifier } from "../query.ts";
import { mismatch, readBooks } from "./books.ts";
import { type Preparation, tablesOf } from "./describe.ts";
import { fingerprint, triggersOf } from "./notes.ts";
import { stageText } from "./stages.ts";

/** More notes than these are not counted. */
const COUNTED = 1_000_000;

/**
 * Reads it.
 *
 * @param name What the names of all that is made begin with.
 * @param describe Says what would be prepared from a version on.
 * @param version The version that the database is at.
 * @returns Null where nothing is prepared.
 */
export async function readPrepared(
  query: Query,
  schema: string | null,
  name: string,
  describe: (from: number) => Preparation | null,
  version: number,
): Promise<SqlPrepared | null> {
  if (schema === null) return null;
  const [facts] = await query<Facts>(FACTS, [name, `^${name}(_[0-9]+|_notes_[0-9]+|_kept_[0-9]+)?$`]);
  if (!facts!.there) return null;
  const bytes = Number(facts!.bytes);
  if (!facts!.readable) {
    return {
      versions: [],
      ready: false,
      phase: "unknown",
      rows: null,
      backlog: null,
      since: null,
      by: null,
      bytes,
      problem: await findRefused(query, name) ?? `this role may not read "${name}"`,
    };
  }
  // The catalogue is no part of the moment that is read: by now, it may be in use or taken away.
  const books = await readBooks(query, schema, name);
  if (books === null) return null;
  const { from, to, rows, ready, startedAt, startedBy } = books;
  const preparation = describe(from);
  const phase = preparation === null ? "unknown" : stageText(preparation, books.stage);
  let problem = await findRefused(query, name) ?? mismatch(books, preparation, version);
  if (problem === null && await fingerprint(query, tablesOf(preparation!)) !== books.fingerprint) {
    problem = "the tables, or the triggers on them, were changed meanwhile";
  }
  return {
    versions: Array.from({ length: to - from }, (_, index) => from + 1 + index),
    ready,
    phase,
    rows,
    backlog: await countNotes(query, facts!.notes),
    since: startedAt,
    by: startedBy,
    bytes,
    problem,
  };
}

/**
 * What stands in the way, where something is prepared: its own triggers do not, and it has to be of use.
 *
 * @param own What the tables have that new ones would not have, one sentence each.
 */
export function withPrepared(
  found: readonly Blocker[],
  { ready, phase, problem }: SqlPrepared,
  name: string,
  own: readonly string[],
): readonly Blocker[] {
  const triggers = triggersOf(name);
  const others = found.filter(({ kind, object }) =>
    kind !== "trigger" || !triggers.some((trigger) => object.startsWith(`${trigger} on `))
  );
  if (ready && problem === null && own.length === 0) return others;
  const why = problem ?? (ready ? own.join("; ") : `it is not finished (${phase})`);
  return [...others, {
    store: "postgres",
    kind: "prepared",
    object: name,
    detail: `What is prepared cannot be put in place: ${why}`,
    ...remedy(
      !ready && problem === null
        ? hint`Finish it with ${"prepare"}, or do without it: ${"apply --no-prepared"}`
        : hint`Take it away with ${"prepare --abort"}, or in one go with ${"apply --no-prepared"}`,
    ),
  }];
}

/** Why the application's writes are refused, or null: they are noted with the rights of whoever prepared, who may have lost them. */
async function findRefused(query: Query, name: string): Promise<string | null> {
  const [lost] = await query<{ role: string; right: string }>(LOST_RIGHTS, [`^${name}_note_[0-9]+$`]);
  if (lost === undefined) return null;
  const [role, right] = [lost.role, lost.right].map(harmless);
  return `the application's writes fail, since the role ${role} that notes them lacks a right: GRANT ${right} TO ${role}`;
}

async function countNotes(query: Query, tables: readonly string[] | null): Promise<number | null> {
  if (tables === null) return null;
  const parts = tables.map((table) => `SELECT FROM ${quoteIdentifier(table)}`).join(" UNION ALL ");
  if (parts === "") return 0;
  const [found] = await query<{ n: string }>(
    `SELECT count(*)::text AS n FROM (SELECT FROM (${parts}) AS notes LIMIT ${COUNTED}) AS counted`,
  );
  return Number(found!.n);
}

interface Facts {
  readonly there: boolean;
  readonly readable: boolean;
  readonly bytes: string;
  /** Null where this role may not read them. */
  readonly notes: readonly string[] | null;
}

const LOST_RIGHTS = `
  SELECT quote_ident(pg_get_userbyid(p.proowner)) AS role, lacking."right"
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = current_schema()
    LEFT JOIN pg_class notes ON notes.relnamespace = n.oid AND notes.relname = replace(p.proname, '_note_', '_notes_')
   CROSS JOIN LATERAL (VALUES
     (has_schema_privilege(p.proowner, n.oid, 'USAGE'), format('USAGE ON SCHEMA %I', n.nspname)),
     (has_table_privilege(p.proowner, notes.oid, 'INSERT'), format('INSERT ON %I.%I', n.nspname, notes.relname))
   ) AS lacking (had, "right")
   WHERE p.proname ~ $1::text AND NOT lacking.had AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = p.oid)
   ORDER BY lacking."right" DESC LIMIT 1`;

const FACTS = `
  WITH made AS (
    SELECT oid, relname, has_table_privilege(oid, 'SELECT') AS readable FROM pg_class
     WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'r' AND relname ~ $2::text
  )
  SELECT to_regclass($1::text) IS NOT NULL AS there,
         coalesce((SELECT readable FROM made WHERE relname = $1::text), true) AS readable,
         (SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM made)::text AS bytes,
         (SELECT CASE WHEN coalesce(bool_and(readable), true) THEN coalesce(json_agg(relname), '[]') END
            FROM made WHERE relname ~ '_notes_[0-9]+$') AS notes`;
