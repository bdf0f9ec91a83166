/**
 * A table that lists deliveries by tenant, destination, topic and status without joining.
 *
 * Locks: none on what exists. What cannot come back on the way down: the rows of the table, which version 5 drops anyhow.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, rowsOf, timeIdExpression, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: 3,
  name: "event_delivery_index",
  description: "Creates event_delivery_index, which lists deliveries without a join",
  transactional: true,
  up: [
    {
      text: `CREATE TABLE event_delivery_index (
  event_id text NOT NULL,
  delivery_id text NOT NULL,
  tenant_id text NOT NULL,
  destination_id text NOT NULL,
  event_time timestamptz NOT NULL,
  delivery_time timestamptz NOT NULL,
  topic text NOT NULL,
  status text NOT NULL,
  time_event_id text GENERATED ALWAYS AS (${timeIdExpression("event_time", "event_id")}) STORED,
  time_delivery_id text GENERATED ALWAYS AS (${timeIdExpression("delivery_time", "delivery_id")}) STORED,
  PRIMARY KEY (delivery_time, event_id, delivery_id)
) PARTITION BY RANGE (delivery_time)`,
    },
    { text: "CREATE TABLE event_delivery_index_default PARTITION OF event_delivery_index DEFAULT" },
    {
      text: `CREATE INDEX idx_event_delivery_index_main ON event_delivery_index
  (tenant_id, destination_id, topic, status, event_time DESC, delivery_time DESC, time_event_id, time_delivery_id)`,
    },
  ],
  down: [
    lockTables(["event_delivery_index"], "ACCESS EXCLUSIVE"),
    { text: "DROP TABLE event_delivery_index" },
  ],
  forecast: () => ({ tables: [], consequences: [] }),
  forecastDown: (from) => ({
    tables: [useDown("event_delivery_index", from, 3, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [all("table_dropped", "event_delivery_index", "with all its rows", from, 4)],
    warnings: [{
      text: "rows of event_delivery_index are deleted and cannot come back",
      rows: rowsOf("event_delivery_index", from, from),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
