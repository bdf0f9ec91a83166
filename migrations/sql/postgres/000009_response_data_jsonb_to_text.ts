/**
 * The destination's answer as text, as it was received from now on, like the payload in version 6.
 *
 * Locks: attempts exclusively while it is rewritten; a change of type cannot do with less. What cannot come back on the way
 * down: the order of keys, spaces and repeated keys of what was received since.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, changed, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 9,
  name: "response_data_jsonb_to_text",
  description: "Keeps the destination's answer as text instead of jsonb",
  transactional: true,
  up: [
    lockTables(["attempts"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE attempts ALTER COLUMN response_data TYPE text USING response_data::text" },
  ],
  rewrite: {
    tables: [{ table: "attempts", everyRow: true, computed: { response_data: "response_data::text" } }],
  },
  down: [
    lockTables(["attempts"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE attempts ALTER COLUMN response_data TYPE jsonb USING response_data::jsonb" },
  ],
  forecast: (from) => ({
    changes: [
      ...changed("attempts", from, "response_data", "retyped"),
    ],
    tables: [use("attempts", from, 9, { lock: "ACCESS EXCLUSIVE", rewrite: true })],
    consequences: [all("table_rewritten", "attempts", "response_data from jsonb to text", from, 9)],
  }),
  forecastDown: (from) => ({
    tables: [useDown("attempts", from, 9, { lock: "ACCESS EXCLUSIVE", rewrite: true })],
    consequences: [all("table_rewritten", "attempts", "response_data from text to jsonb", from, 10)],
    warnings: [{
      text: "attempts lose the order of keys and the spaces of the destination's answer",
      rows: rowsWhere("attempts", from, "response_data IS NOT NULL"),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
