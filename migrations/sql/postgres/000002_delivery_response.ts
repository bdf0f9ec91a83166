/**
 * Deliveries keep what the destination answered.
 *
 * Locks: deliveries exclusively, for a moment; nothing is rewritten. What cannot come back on the way down: the answers.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 2,
  name: "delivery_response",
  description: "Adds the destination's answer to deliveries",
  transactional: true,
  up: [
    lockTables(["deliveries"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE deliveries ADD COLUMN code text, ADD COLUMN response_data jsonb" },
  ],
  down: [
    lockTables(["deliveries"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE deliveries DROP COLUMN code, DROP COLUMN response_data" },
  ],
  forecast: (from) => ({
    tables: [use("attempts", from, 2, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [],
  }),
  forecastDown: (from) => ({
    tables: [useDown("attempts", from, 2, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [all("column_dropped", "attempts", "code, response_data", from, 3)],
    warnings: [{
      text: "deliveries lose the destination's answer (code, response_data)",
      rows: rowsWhere("attempts", from, "code IS NOT NULL OR response_data IS NOT NULL"),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
