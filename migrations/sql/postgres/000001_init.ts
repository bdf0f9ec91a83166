/**
 * The log store: events and their deliveries, partitioned by time with a default partition each.
 *
 * Locks: none on what exists. What cannot come back on the way down: every event and delivery.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { rowsOf, timeIdExpression, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 1,
  name: "init",
  description: "Creates events and deliveries, partitioned by time",
  transactional: true,
  up: [
    // ---- events ----
    {
      text: `CREATE TABLE events (
  id text NOT NULL,
  tenant_id text NOT NULL,
  destination_id text NOT NULL,
  time timestamptz NOT NULL,
  topic text NOT NULL,
  eligible_for_retry boolean NOT NULL,
  data jsonb NOT NULL,
  metadata jsonb NOT NULL,
  time_id text GENERATED ALWAYS AS (${timeIdExpression("time", "id")}) STORED,
  PRIMARY KEY (time, id)
) PARTITION BY RANGE (time)`,
    },
    { text: "CREATE TABLE events_default PARTITION OF events DEFAULT" },
    { text: "CREATE INDEX ON events (tenant_id, time_id DESC)" },
    { text: "CREATE INDEX ON events (tenant_id, destination_id)" },
    // ---- deliveries ----
    {
      text: `CREATE TABLE deliveries (
  id text NOT NULL,
  event_id text NOT NULL,
  destination_id text NOT NULL,
  status text NOT NULL,
  time timestamptz NOT NULL,
  PRIMARY KEY (time, id)
) PARTITION BY RANGE (time)`,
    },
    { text: "CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT" },
    { text: "CREATE INDEX ON deliveries (event_id)" },
    { text: "CREATE INDEX ON deliveries (event_id, status)" },
  ],
  down: [
    lockTables(["events", "deliveries"], "ACCESS EXCLUSIVE"),
    { text: "DROP TABLE deliveries" },
    { text: "DROP TABLE events" },
  ],
  forecast: () => ({ tables: [], consequences: [] }),
  forecastDown: (from) => ({
    tables: [
      useDown("events", from, 1, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
      useDown("attempts", from, 1, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
    ],
    consequences: [
      {
        kind: "table_dropped",
        table: "events",
        detail: "with all events",
        rows: rowsOf("events", from, from),
      },
      {
        kind: "table_dropped",
        table: "deliveries",
        detail: "with all deliveries",
        rows: rowsOf("attempts", from, from),
      },
    ],
    warnings: [
      { text: "events are deleted and cannot come back", rows: rowsOf("events", from, from) },
      { text: "deliveries are deleted and cannot come back", rows: rowsOf("attempts", from, from) },
    ],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
