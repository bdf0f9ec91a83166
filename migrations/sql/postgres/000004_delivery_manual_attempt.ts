/**
 * Deliveries tell whether a person asked for them and which attempt they were.
 *
 * Locks: both tables exclusively, for a moment; nothing is rewritten. What cannot come back on the way down: both columns.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 4,
  name: "delivery_manual_attempt",
  description: "Adds manual and attempt to deliveries and event_delivery_index",
  transactional: true,
  up: [
    lockTables(["deliveries", "event_delivery_index"], "ACCESS EXCLUSIVE"),
    {
      text: `ALTER TABLE deliveries
  ADD COLUMN manual boolean NOT NULL DEFAULT false,
  ADD COLUMN attempt integer NOT NULL DEFAULT 0`,
    },
    {
      text: `ALTER TABLE event_delivery_index
  ADD COLUMN manual boolean NOT NULL DEFAULT false,
  ADD COLUMN attempt integer NOT NULL DEFAULT 0`,
    },
  ],
  down: [
    lockTables(["deliveries", "event_delivery_index"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE event_delivery_index DROP COLUMN manual, DROP COLUMN attempt" },
    { text: "ALTER TABLE deliveries DROP COLUMN manual, DROP COLUMN attempt" },
  ],
  forecast: (from) => ({
    tables: [
      use("attempts", from, 4, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
      use("event_delivery_index", from, 4, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
    ],
    consequences: [],
  }),
  forecastDown: (from) => ({
    tables: [
      useDown("attempts", from, 4, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
      useDown("event_delivery_index", from, 4, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
    ],
    consequences: [
      all("column_dropped", "attempts", "manual, attempt", from, 5),
      all("column_dropped", "event_delivery_index", "manual, attempt", from, 5),
    ],
    warnings: [{
      text: "deliveries lose which attempt they were and who asked for it (attempt, manual)",
      rows: rowsWhere("attempts", from, `manual OR ${from < 5 ? "attempt" : "attempt_number"} <> 0`),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
