/**
 * Where step 5 keeps what has no place after it: `outpost_quarantine`.
 *
 * It is a table. Where event_delivery_index had rows, that table is not copied but becomes a part of it under another name, and
 * `outpost_quarantine` a view over both, with the same columns, until a cleanup or the way down makes it a table again.
 *
 * @module
 */

import type { StepRemains } from "../../engine/sql/step.ts";
import type { RowsKept } from "../../engine/sql/step_rewrite.ts";
import type { SqlStatement } from "../../engine/sql/statement.ts";
import { BY_EVENT, ITS_EVENTS } from "./attempts.ts";

/** Names step 5 in the quarantine. */
const ID = "sql/000005";

const MAKE: SqlStatement = {
  text: `CREATE TABLE IF NOT EXISTS outpost_quarantine (
  id bigserial PRIMARY KEY,
  migration text NOT NULL,
  source_table text NOT NULL,
  row jsonb NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT now()
)`,
};

/** Deliveries whose event is gone are copied; the application may go on reading. */
export const KEEP_ORPHANS: readonly SqlStatement[] = [
  MAKE,
  {
    text: `INSERT INTO outpost_quarantine (migration, source_table, row)
SELECT '${ID}', 'deliveries', to_jsonb(d)
  FROM deliveries d
 WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)`,
  },
];

/** The same, row by row. */
export const EACH_ORPHAN: RowsKept = {
  table: "deliveries",
  query: `SELECT d.time, d.id, '${ID}' AS migration, 'deliveries' AS source_table, to_jsonb(d) AS row
  FROM deliveries d
 WHERE NOT EXISTS (SELECT FROM ${ITS_EVENTS})`,
  follows: BY_EVENT,
  into: { table: "outpost_quarantine", make: MAKE, id: "id", columns: ["migration", "source_table", "row"] },
};

const INDEX_COLUMNS =
  "event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status, manual, attempt";

const DELIVERY_COLUMNS = [
  "event_id",
  "destination_id",
  "status",
  "code",
  "response_data",
  "manual",
  "attempt",
];

const IS_VIEW = "(SELECT relkind FROM pg_class WHERE oid = to_regclass('outpost_quarantine')) = 'v'";

/** Makes the quarantine a view over its table and that of event_delivery_index. */
const SHOW = `    CREATE VIEW outpost_quarantine AS
    SELECT id, migration, source_table, row, quarantined_at FROM outpost_quarantine_rows
     UNION ALL
    -- Where a row lies is its own, and below zero no other has it.
    SELECT -1 - (tableoid::bigint % 1048576) * 8796093022208 - (ctid::text::point)[0]::bigint * 2048
              - (ctid::text::point)[1]::bigint,
           '${ID}', 'event_delivery_index', to_jsonb(i) - 'outpost_quarantined_at', outpost_quarantined_at
      FROM outpost_quarantine_index i;
    CREATE RULE outpost_quarantine_insert AS ON INSERT TO outpost_quarantine DO INSTEAD
      INSERT INTO outpost_quarantine_rows (migration, source_table, row) VALUES (NEW.migration, NEW.source_table, NEW.row);`;

/**
 * Takes event_delivery_index away, its rows kept. Names alone are changed, however many rows there are. The indexes go: their
 * names are needed on the way down, and their space is the greater part of the table's.
 *
 * A quarantine that is a view already has such a table of an earlier way up: then the rows are copied.
 */
export const TAKE_INDEX_AWAY: SqlStatement = {
  text: `DO $$
DECLARE
  part record;
BEGIN
  IF NOT EXISTS (SELECT FROM event_delivery_index) THEN
    DROP TABLE event_delivery_index;
  ELSIF ${IS_VIEW} THEN
    INSERT INTO outpost_quarantine (migration, source_table, row)
    SELECT '${ID}', 'event_delivery_index', to_jsonb(i)
      FROM event_delivery_index i;
    DROP TABLE event_delivery_index;
  ELSE
    DROP INDEX IF EXISTS idx_event_delivery_index_main;
    ALTER TABLE event_delivery_index DROP CONSTRAINT IF EXISTS event_delivery_index_pkey;
    FOR part IN
      SELECT relid, row_number() OVER (ORDER BY level, relid) AS n
        FROM pg_partition_tree('event_delivery_index') WHERE level > 0
    LOOP
      EXECUTE format('ALTER TABLE %s RENAME TO outpost_quarantine_index_%s', part.relid, part.n);
    END LOOP;
    ALTER TABLE event_delivery_index RENAME TO outpost_quarantine_index;
    ALTER TABLE outpost_quarantine_index ADD COLUMN outpost_quarantined_at timestamptz NOT NULL DEFAULT now();
    ALTER TABLE outpost_quarantine RENAME TO outpost_quarantine_rows;
${SHOW}
  END IF;
END
$$`,
};

/**
 * The view again, where somebody dropped it before its tables; without that of event_delivery_index, a table. It is their owner's: another
 * one's would be closed to him. Who runs this in his place is refused then, as beside a view that nobody dropped.
 */
const MEND = `DO $$
DECLARE
  own oid = (SELECT relowner FROM pg_class WHERE oid = to_regclass('outpost_quarantine_rows') AND relkind = 'r');
BEGIN
  IF own IS NULL OR to_regclass('outpost_quarantine') IS NOT NULL THEN
    RETURN;
  END IF;
  IF to_regclass('outpost_quarantine_index') IS NULL THEN
    ALTER TABLE outpost_quarantine_rows RENAME TO outpost_quarantine;
  ELSIF (SELECT relowner FROM pg_class WHERE oid = to_regclass('outpost_quarantine_index')) = own THEN
${SHOW}
    EXECUTE format('ALTER VIEW outpost_quarantine OWNER TO %s', own::regrole);
  END IF;
END
$$`;

/** Makes the quarantine a table again, without the rows of event_delivery_index. */
const FORGET_INDEX = `    DROP VIEW outpost_quarantine;
    DROP TABLE outpost_quarantine_index;
    ALTER TABLE outpost_quarantine_rows RENAME TO outpost_quarantine;`;

/**
 * Moves rows from the quarantine to their table, one for each key that is free there. Only what was inserted leaves the quarantine:
 * a row whose key is taken, or that a trigger refuses, stays.
 */
function backFromQuarantine(table: string, key: readonly string[], others: readonly string[]): string {
  const columns = [...key, ...others].join(", ");
  const of = (alias: string) => key.map((column) => `${alias}.${column}`).join(", ");
  return `  WITH wanted AS MATERIALIZED (
    SELECT DISTINCT ON (${of("r")}) q.id AS quarantine_id, r.*
      FROM outpost_quarantine q, jsonb_populate_record(NULL::${table}, q.row) r
     WHERE q.migration = '${ID}' AND q.source_table = '${table}'
       AND NOT EXISTS (SELECT FROM ${table} t WHERE (${of("t")}) = (${of("r")}))
     ORDER BY ${of("r")}, q.id
  ), inserted AS (
    INSERT INTO ${table} (${columns})
    SELECT ${columns} FROM wanted
    RETURNING ${key.join(", ")}
  )
  DELETE FROM outpost_quarantine q USING wanted w, inserted i
   WHERE q.id = w.quarantine_id AND (${of("i")}) = (${of("w")});`;
}

/** What is in the quarantine goes where it was, and stays there where that place is taken. */
export const BRING_BACK: SqlStatement = {
  text: `DO $$
BEGIN
  IF to_regclass('outpost_quarantine') IS NULL THEN -- A released Outpost left none.
    RETURN;
  END IF;
  IF ${IS_VIEW} THEN
    INSERT INTO event_delivery_index (${INDEX_COLUMNS})
    SELECT ${INDEX_COLUMNS} FROM outpost_quarantine_index;
${FORGET_INDEX}
  END IF;
${backFromQuarantine("deliveries", ["time", "id"], DELIVERY_COLUMNS)}
${
    backFromQuarantine("event_delivery_index", ["delivery_time", "event_id", "delivery_id"], [
      "tenant_id",
      "destination_id",
      "event_time",
      "topic",
      "status",
      "manual",
      "attempt",
    ])
  }
END
$$`,
};

/** True of a row that has more than released columns. */
const HAS_MORE = `row - ARRAY['${
  ["time", "id", ...DELIVERY_COLUMNS, ...INDEX_COLUMNS.split(", "), "time_event_id", "time_delivery_id"]
    .join("', '")
}'] <> '{}'`;

/** What a cleanup does away with. */
export const QUARANTINED: StepRemains = {
  table: "outpost_quarantine",
  parts: ["outpost_quarantine_rows"],
  behind: {
    rows: {
      outpost_quarantine_rows: `SELECT count(*) FROM outpost_quarantine_rows WHERE migration = '${ID}'`,
      outpost_quarantine_index: "SELECT count(*) FROM outpost_quarantine_index",
    },
    mend: MEND,
  },
  lost: {
    text: "rows in outpost_quarantine lose the values of columns that are the operator's own",
    // The rows of the index table are all alike, and may be many: one of them tells.
    rows: `SELECT (SELECT count(*) FROM outpost_quarantine
         WHERE migration = '${ID}' AND source_table = 'deliveries' AND ${HAS_MORE})
     + (SELECT count(*) FROM outpost_quarantine
         WHERE migration = '${ID}' AND source_table = 'event_delivery_index' AND EXISTS (
           SELECT FROM (SELECT row FROM outpost_quarantine
                         WHERE migration = '${ID}' AND source_table = 'event_delivery_index' LIMIT 1) AS one WHERE ${HAS_MORE}))`,
  },
  count: `SELECT count(*) FROM outpost_quarantine WHERE migration = '${ID}'`,
  delete: [
    `DO $$
BEGIN
  IF ${IS_VIEW} THEN
${FORGET_INDEX}
  END IF;
END
$$`,
    `DELETE FROM outpost_quarantine WHERE migration = '${ID}'`,
  ],
  detail: "rows in outpost_quarantine: deliveries without an event, and event_delivery_index",
};
