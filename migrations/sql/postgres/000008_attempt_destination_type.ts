/**
 * An attempt tells the type of its destination, and can be listed by it.
 *
 * Locks: attempts exclusively for two instants, in which the column is made and gets its name. In between the index is built on each
 * partition, while readers and writers go on. Until then the column has a name of this tool's own: golang-migrate, which knows
 * nothing of it, may do the step by its own statements at any time. Run together with others, the step locks attempts while the index
 * is built. What cannot come back on the way down: the types.
 *
 * @module
 */

import type { SqlStatement } from "../../../engine/sql/statement.ts";
import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** The column until it may be seen. */
const COLUMN = "outpost_destination_type";

/** Its index has the names that the statement of a released Outpost gives, and so has what newer servers name. */
const TAKE_NAMES: SqlStatement = {
  text: `DO $$
DECLARE
  part record;
  leaf text;
  list text;
BEGIN
  FOR part IN
    SELECT i.inhrelid::regclass AS index, c.relname AS leaf
      FROM pg_partition_tree('idx_attempts_tenant_desttype_time') t
      JOIN pg_inherits i ON i.inhrelid = t.relid
      JOIN pg_index x ON x.indexrelid = i.inhrelid
      JOIN pg_class c ON c.oid = x.indrelid
      JOIN pg_class n ON n.oid = i.inhrelid AND n.relname LIKE '${COLUMN.replaceAll("_", "\_")}\_%'
  LOOP
    -- Shortened as the server does it, the longer one first.
    leaf := part.leaf;
    list := 'tenant_id_destination_type_time_id';
    WHILE octet_length(leaf) + octet_length(list) > 58 LOOP
      IF octet_length(leaf) > octet_length(list) THEN
        leaf := left(leaf, -1);
      ELSE
        list := left(list, -1);
      END IF;
    END LOOP;
    IF to_regclass(format('%I', leaf || '_' || list || '_idx')) IS NULL THEN
      EXECUTE format('ALTER INDEX %s RENAME TO %I', part.index, leaf || '_' || list || '_idx');
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'attempts'::regclass AND conname = 'attempts_${COLUMN}_not_null') THEN
    ALTER TABLE attempts RENAME CONSTRAINT attempts_${COLUMN}_not_null TO attempts_destination_type_not_null;
  END IF;
END
$$`,
};

const LOCK = lockTables(["attempts"], "ACCESS EXCLUSIVE");

// Over a partition that has such an index already, the server builds none: it takes that one.
const CREATE_INDEX: SqlStatement = {
  text: `CREATE INDEX idx_attempts_tenant_desttype_time ON attempts
  (tenant_id, destination_type, time DESC, id DESC)`,
};

/** What the step does. */
export const step: SqlStep = {
  version: 8,
  name: "attempt_destination_type",
  description: "Adds destination_type to attempts, with an index",
  transactional: true,
  up: [
    LOCK,
    { text: "ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT ''" },
    CREATE_INDEX,
  ],
  rewrite: { tables: [{ table: "attempts", everyRow: false, computed: { destination_type: "''" } }] },
  beforehand: {
    table: "attempts",
    column: COLUMN,
    make: [LOCK, { text: `ALTER TABLE attempts ADD COLUMN ${COLUMN} text NOT NULL DEFAULT ''` }],
    over: `(tenant_id, ${COLUMN}, time DESC, id DESC)`,
    up: [
      LOCK,
      { text: `ALTER TABLE attempts RENAME COLUMN ${COLUMN} TO destination_type` },
      CREATE_INDEX,
      TAKE_NAMES,
    ],
  },
  down: [
    LOCK,
    { text: "DROP INDEX IF EXISTS idx_attempts_tenant_desttype_time" },
    { text: "ALTER TABLE attempts DROP COLUMN destination_type" },
  ],
  forecast: (from) => ({
    tables: [use("attempts", from, 8, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [all("index_built", "attempts", "idx_attempts_tenant_desttype_time", from, 8)],
  }),
  forecastDown: (from) => ({
    tables: [useDown("attempts", from, 8, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [all("column_dropped", "attempts", "destination_type", from, 9)],
    warnings: [{
      text: "attempts lose the type of their destination",
      rows: rowsWhere("attempts", from, "destination_type <> ''"),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
