/**
 * Released partitions that are no part of their table any more: whatever changes the table passes them by.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import type { Query } from "./query.ts";
import type { SchemaObjects } from "./schema_objects.ts";

/** Names them. Reads the catalogue alone. @param expected The tables that the version reached should have. */
export async function findDetached(query: Query, expected: SchemaObjects): Promise<readonly Blocker[]> {
  const parts = expected.flatMap(({ name, partitionOf }) =>
    partitionOf === null ? [] : [{ name, of: partitionOf.table, bound: partitionOf.bound }]
  );
  return (await query<Detached>(DETACHED, [JSON.stringify(parts)])).map(({ name, of, attach }) => ({
    store: "postgres",
    kind: "partition",
    object: name,
    detail:
      `${name} is no partition of ${of} any more: no step would see its rows, and what belongs to them would count as lost`,
    hint: `Attach it again (${attach}); if its rows are not wanted, rename it`,
  }));
}

interface Detached {
  readonly name: string;
  /** Its table, and the statements that make it a part of that again. */
  readonly of: string;
  readonly attach: string;
}

// One that is gone altogether an operator has done away with: then there are others for its rows, or none were wanted. While it is
// being detached, it is there for the catalogue alone; older servers do not know of that.
const DETACHED = `
  SELECT p.name, p.of,
         CASE WHEN c.relispartition THEN format('ALTER TABLE %s DETACH PARTITION %I%s; ', i.inhparent::regclass, p.name,
                                                CASE WHEN i.pending THEN ' FINALIZE' ELSE '' END) ELSE '' END
           || format('ALTER TABLE %I ATTACH PARTITION %I %s', p.of, p.name, p.bound) AS attach
    FROM jsonb_to_recordset($1::text::jsonb) AS p (name text, "of" text, bound text)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(p.name)) AND c.relkind IN ('r', 'p')
    LEFT JOIN LATERAL (SELECT inhparent, to_jsonb(h) ->> 'inhdetachpending' = 'true' AS pending
                         FROM pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1) i ON true
   WHERE to_regclass(quote_ident(p.of)) IS NOT NULL
     AND (NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a WHERE a.relid = to_regclass(quote_ident(p.of))) OR i.pending)
   ORDER BY p.name`;
