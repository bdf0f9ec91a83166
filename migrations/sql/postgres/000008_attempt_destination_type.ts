/**
 * An attempt tells the type of its destination, and can be listed by it.
 *
 * Locks: attempts exclusively while the index is built; the column itself rewrites nothing. What cannot come back on the way
 * down: the types.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 8,
  name: "attempt_destination_type",
  description: "Adds destination_type to attempts, with an index",
  transactional: true,
  up: [
    lockTables(["attempts"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT ''" },
    {
      text: `CREATE INDEX idx_attempts_tenant_desttype_time ON attempts
  (tenant_id, destination_type, time DESC, id DESC)`,
    },
  ],
  rewrite: { tables: [{ table: "attempts", everyRow: false, computed: { destination_type: "''" } }] },
  down: [
    lockTables(["attempts"], "ACCESS EXCLUSIVE"),
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
