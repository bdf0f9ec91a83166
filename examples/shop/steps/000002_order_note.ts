/**
 * An order may carry a note.
 *
 * Locks: orders, for a moment. What cannot come back on the way down: the notes.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "@outpost/migrate";

/** What the step does. */
export const step: SqlStep = {
  version: 2,
  name: "order_note",
  description: "Adds a note to orders",
  transactional: true,
  up: [{ text: "ALTER TABLE orders ADD COLUMN note text" }],
  down: [{ text: "ALTER TABLE orders DROP COLUMN note" }],
  forecast: (from) => ({
    tables: [{
      name: "orders",
      storedAs: from < 1 ? null : "orders",
      rows: from < 1 ? null : "SELECT count(*) FROM orders",
      lock: "ACCESS EXCLUSIVE",
      rewrite: false,
    }],
    consequences: [],
  }),
  forecastDown: () => ({
    tables: [],
    consequences: [],
    warnings: [{ text: "notes are lost", rows: "SELECT count(*) FROM orders WHERE note IS NOT NULL" }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
