/**
 * The payload of an event as text, byte for byte as it was received from now on: jsonb sorts keys and drops spaces.
 *
 * Locks: events and attempts exclusively while they are rewritten; a change of type cannot do with less. What cannot come back
 * on the way down: the order of keys, spaces and repeated keys of what was received since.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, changed, rowsOf, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 6,
  name: "data_jsonb_to_text",
  description: "Keeps the payload of events and attempts as text instead of jsonb",
  transactional: true,
  up: [
    // Both at once: not to rewrite the one and then to give up on the other.
    lockTables(["events", "attempts"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events ALTER COLUMN data TYPE text USING data::text" },
    { text: "ALTER TABLE attempts ALTER COLUMN event_data TYPE text USING event_data::text" },
  ],
  rewrite: {
    tables: [
      { table: "events", everyRow: true, computed: { data: "data::text" } },
      { table: "attempts", everyRow: true, computed: { event_data: "event_data::text" } },
    ],
  },
  down: [
    lockTables(["events", "attempts"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events ALTER COLUMN data TYPE jsonb USING data::jsonb" },
    { text: "ALTER TABLE attempts ALTER COLUMN event_data TYPE jsonb USING event_data::jsonb" },
  ],
  forecast: (from) => ({
    changes: [
      ...changed("events", from, "data", "retyped"),
      ...changed("attempts", from, "event_data", "retyped"),
    ],
    tables: [
      use("events", from, 6, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
      use("attempts", from, 6, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
    ],
    consequences: [
      all("table_rewritten", "events", "data from jsonb to text", from, 6),
      all("table_rewritten", "attempts", "event_data from jsonb to text", from, 6),
    ],
  }),
  forecastDown: (from) => ({
    tables: [
      useDown("events", from, 6, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
      useDown("attempts", from, 6, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
    ],
    consequences: [
      all("table_rewritten", "events", "data from text to jsonb", from, 7),
      all("table_rewritten", "attempts", "event_data from text to jsonb", from, 7),
    ],
    warnings: [{
      text: "events lose the order of keys and the spaces of their payload",
      rows: rowsOf("events", from, from),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
