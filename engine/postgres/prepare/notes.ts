/**
 * What is hung on the application's tables: triggers that note the keys of whatever is written. Nothing else of a row is noted, so
 * that a writer loses as little time as can be.
 *
 * @module
 */

import { type Query, quoteIdentifier } from "../query.ts";
import type { Preparation } from "./describe.ts";

/** Names of the triggers. @param name What all names of a preparation begin with. */
export function triggersOf(name: string): readonly [note: string, keep: string] {
  return [`${name}_note`, `${name}_keep`];
}

/** Statements that make the place for the notes, and what writes them. */
export function makeNotes({ sources }: Preparation, schema: string): readonly string[] {
  const within = quoteIdentifier(schema);
  return sources.flatMap(({ key, notes }) => {
    const columns = key.map(({ name, type }) => `${name} ${type} NOT NULL`).join(", ");
    const note = (row: string) =>
      `INSERT INTO ${within}.${notes.table} (${key.map(({ name }) => name).join(", ")}) VALUES (${
        key.map(({ name }) => `${row}.${name}`).join(", ")
      });`;
    // Runs with the rights of whoever prepares, for every writer, whatever that one's search path is.
    return [
      `CREATE TABLE ${notes.table} (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${columns})`,
      `CREATE FUNCTION ${within}.${notes.make}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $note$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION 'Cannot truncate "%": a new form of it is being prepared', TG_TABLE_NAME
      USING HINT = 'Delete the rows, or take away what is prepared', ERRCODE = 'object_in_use';
  END IF;
  IF TG_OP <> 'INSERT' THEN
    ${note("OLD")}
  END IF;
  IF TG_OP <> 'DELETE' THEN
    ${note("NEW")}
  END IF;
  RETURN NULL;
END $note$`,
      `REVOKE ALL ON FUNCTION ${within}.${notes.make}() FROM PUBLIC`,
    ];
  });
}

/** Statements that begin the watch. They need a lock that keeps writers away. */
export function watch({ name, sources }: Preparation, schema: string): readonly string[] {
  const [note, keep] = triggersOf(name);
  return sources.flatMap(({ leaf, notes }) => [
    `CREATE TRIGGER ${note} AFTER INSERT OR UPDATE OR DELETE ON ${leaf}
  FOR EACH ROW EXECUTE FUNCTION ${quoteIdentifier(schema)}.${notes.make}()`,
    `CREATE TRIGGER ${keep} BEFORE TRUNCATE ON ${leaf}
  FOR EACH STATEMENT EXECUTE FUNCTION ${quoteIdentifier(schema)}.${notes.make}()`,
    `ALTER TABLE ${leaf} ENABLE ALWAYS TRIGGER ${note}, ENABLE ALWAYS TRIGGER ${keep}`,
  ]);
}

/**
 * What tells whether every write since the watch began was noted: tables, partitions, triggers and their functions, each as it
 * was made and not made again. Whatever rewrites a table without firing triggers changes it too.
 *
 * @param tables Those that are watched.
 */
export async function fingerprint(query: Query, tables: readonly string[]): Promise<string> {
  const [found] = await query<{ fingerprint: string }>(FINGERPRINT, [JSON.stringify(tables)]);
  return found!.fingerprint;
}

/** Tables that are watched, wherever they are by now. */
export async function watched(query: Query, name: string): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(WATCHED, [`^${name}_note_[0-9]+$`]);
  return rows.map((row) => row.name);
}

/** Takes away all that a preparation made, and with the functions the triggers that call them. */
export async function clear(query: Query, name: string): Promise<void> {
  const rows = await query<{ text: string }>(MADE, [
    `^${name}(_[0-9]+|_notes_[0-9]+|_kept_[0-9]+)?$`,
    `^${name}_note_[0-9]+$`,
  ]);
  await Promise.all(rows.map(({ text }) => query(text)));
}

// Text of a transaction's number: what is made again is made by another one.
const FINGERPRINT = `
  WITH parents AS (
    SELECT to_regclass(name)::oid AS oid FROM jsonb_array_elements_text($1::text::jsonb) AS name
  ), tables AS (
    SELECT oid FROM parents
    UNION SELECT inhrelid FROM pg_inherits WHERE inhparent IN (SELECT oid FROM parents)
  ), facts AS (
    SELECT format('table %s %s %s %s', oid, relname, relfilenode, relpersistence) AS fact
      FROM pg_class WHERE oid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT format('partition %s %s %s', inhrelid, inhparent, xmin) FROM pg_inherits
     WHERE inhparent IN (SELECT oid FROM parents)
    UNION ALL
    SELECT format('column %s %s %s %s', attrelid, attnum, attname, atttypid) FROM pg_attribute
     WHERE attrelid IN (SELECT oid FROM tables) AND attnum > 0
    UNION ALL
    SELECT format('trigger %s %s %s %s %s', g.oid, g.tgrelid, g.tgenabled, g.xmin, p.oid || ' ' || p.xmin)
      FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
     WHERE g.tgrelid IN (SELECT oid FROM tables)
  )
  SELECT md5(string_agg(fact, E'\\n' ORDER BY fact COLLATE "C")) AS fingerprint FROM facts`;

const WATCHED = `
  SELECT DISTINCT g.tgrelid::regclass::text AS name
    FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
   WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proname ~ $1::text
   ORDER BY 1`;

const MADE = `
  SELECT format('DROP FUNCTION %s CASCADE', p.oid::regprocedure) AS text FROM pg_proc p
   WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proname ~ $2::text
   UNION ALL
  SELECT format('DROP TABLE %s', c.oid::regclass) FROM pg_class c
   WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind = 'r' AND c.relname ~ $1::text`;
