/**
 * The primary keys of attempts lose the name that they had before version 5 renamed the table.
 *
 * Locks: both indexes for a moment, so that neither can be changed meanwhile; reading and writing go on. Everything comes back
 * on the way down.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 10,
  name: "rename_attempts_pkey",
  description: "Names the primary keys of attempts after their table",
  transactional: true,
  up: [
    { text: "ALTER INDEX IF EXISTS deliveries_pkey RENAME TO attempts_pkey" },
    { text: "ALTER INDEX IF EXISTS deliveries_default_pkey RENAME TO attempts_default_pkey" },
  ],
  down: [
    { text: "ALTER INDEX IF EXISTS attempts_pkey RENAME TO deliveries_pkey" },
    { text: "ALTER INDEX IF EXISTS attempts_default_pkey RENAME TO deliveries_default_pkey" },
  ],
  forecast: (from) => ({
    tables: [use("attempts", from, 10, { lock: "SHARE UPDATE EXCLUSIVE", rewrite: false })],
    consequences: [],
  }),
  forecastDown: (from) => ({
    tables: [useDown("attempts", from, 10, { lock: "SHARE UPDATE EXCLUSIVE", rewrite: false })],
    consequences: [],
    warnings: [],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
