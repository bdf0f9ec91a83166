/**
 * Adds the type of the destination to each attempt.
 *
 * Changes the table's description only; old rows read as ''. Taking it back loses the types.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";

const typed = "SELECT count() FROM {{attempts}} WHERE destination_type != ''";

/** The step, as data. */
export const step: SqlStep = {
  version: 3,
  name: "attempt_destination_type",
  description: "Add the type of the destination to attempts",
  transactional: false,
  up: [
    { text: "ALTER TABLE {{attempts}} ADD COLUMN IF NOT EXISTS destination_type String DEFAULT ''" },
    {
      text: `ALTER TABLE {{attempts}} ADD INDEX IF NOT EXISTS idx_destination_type destination_type
  TYPE bloom_filter GRANULARITY 1`,
    },
  ],
  down: [
    { text: "ALTER TABLE {{attempts}} DROP INDEX IF EXISTS idx_destination_type" },
    { text: "ALTER TABLE {{attempts}} DROP COLUMN IF EXISTS destination_type" },
  ],
  forecast: (from) => ({
    tables: [{
      name: "attempts",
      storedAs: from >= 1 ? "attempts" : null,
      rows: from >= 1 ? "SELECT count() FROM {{attempts}}" : null,
      lock: "none",
      rewrite: false,
    }],
    consequences: [],
  }),
  forecastDown: () => ({
    tables: [{
      name: "attempts",
      storedAs: "attempts",
      rows: "SELECT count() FROM {{attempts}}",
      lock: "none",
      rewrite: false,
    }],
    consequences: [{ kind: "column_dropped", table: "attempts", detail: "destination_type", rows: typed }],
    warnings: [{ text: "attempts lose their destination type", rows: typed }],
  }),
};

/** Runs the step. */
export async function up(runner: StepRunner): Promise<void> {
  await runner.run(step, "up");
}

/** Takes the step back. */
export async function down(runner: StepRunner): Promise<void> {
  await runner.run(step, "down");
}
