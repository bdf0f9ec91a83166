/**
 * Whether the partition of the deliveries may be replaced by a new one.
 *
 * @module
 */

/**
 * True where the default partition is the only one and nothing hangs on it that would be lost with it: nothing but the
 * released columns and indexes, no trigger, view, grant, publication, comment or setting of its own, the same owner.
 *
 * @param from Version of the database when it is asked, below 5.
 */
export function exchangeableDeliveries(from: number): string {
  // There is nothing yet that could hang on it.
  if (from === 0) return "SELECT true";
  return `
SELECT EXISTS (
  SELECT FROM pg_class leaf
   WHERE leaf.oid = to_regclass('deliveries_default')
     AND leaf.relacl IS NULL AND leaf.reloptions IS NULL AND leaf.reltablespace = 0 AND leaf.relreplident = 'd'
     AND leaf.relpersistence = 'p' AND NOT leaf.relrowsecurity
     AND pg_get_userbyid(leaf.relowner) = current_user
     AND (SELECT array_agg(inhrelid) FROM pg_inherits WHERE inhparent = to_regclass('deliveries')) = ARRAY[leaf.oid]
     AND NOT EXISTS (
       SELECT FROM pg_class parent
        WHERE parent.oid = to_regclass('deliveries') AND (parent.relowner <> leaf.relowner OR parent.relrowsecurity))
     AND (SELECT count(*) FROM pg_attribute WHERE attrelid = leaf.oid AND attnum > 0 AND NOT attisdropped) = ${
    columnsAt(from)
  }
     AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = leaf.oid AND attnum > 0
                      AND (attacl IS NOT NULL OR attoptions IS NOT NULL OR attstattarget::int > 0))
     AND (SELECT count(*) FROM pg_index WHERE indrelid = leaf.oid)
         = (SELECT count(*) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
             WHERE i.indrelid = to_regclass('deliveries')
               AND x.relname IN ('deliveries_pkey', 'deliveries_event_id_idx', 'deliveries_event_id_status_idx'))
     AND (SELECT count(*) FROM pg_index WHERE indrelid = to_regclass('deliveries')) <= 3
     AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = leaf.oid AND contype = 'p' AND conname = 'deliveries_default_pkey')
     AND NOT EXISTS (SELECT FROM pg_constraint
                      WHERE contype <> 'n' AND contype <> 'p' AND to_regclass('deliveries') IN (conrelid, confrelid))
     AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype NOT IN ('n', 'p') AND leaf.oid IN (conrelid, confrelid))
     AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid IN (leaf.oid, to_regclass('deliveries')))
     AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = leaf.oid)
     AND NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = leaf.oid
                      AND classid = 'pg_rewrite'::regclass)
     AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = leaf.oid)
     AND NOT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid IN (leaf.oid, to_regclass('deliveries')))
     AND NOT EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid IN (leaf.oid, to_regclass('deliveries')))
     AND NOT EXISTS (SELECT FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = leaf.oid)
     AND NOT EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = leaf.oid)
) AS exchangeable`;
}

/** How many columns the deliveries have at a version. */
function columnsAt(version: number): number {
  return version < 2 ? 5 : version < 4 ? 7 : 9;
}
