/**
 * Creates the log: `events`, and `attempts` with the columns of their event.
 *
 * Locks nothing that exists. Both tables IF NOT EXISTS, as released versions do, so that a run that was cut off continues.
 * Taking it back drops both tables with everything in them.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";

const eventColumns = `
  event_id String,
  tenant_id String,
  destination_id String,
  topic String,
  eligible_for_retry Bool,
  event_time DateTime64(3),
  metadata String,
  data String`;

/** The step, as data. */
export const step: SqlStep = {
  version: 1,
  name: "init",
  description: "Create the tables events and attempts",
  transactional: false,
  up: [
    {
      text: `CREATE TABLE IF NOT EXISTS {{events}} (${eventColumns},
  INDEX idx_tenant_id tenant_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_destination_id destination_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_event_id event_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_topic topic TYPE bloom_filter GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, event_id)`,
    },
    {
      text: `CREATE TABLE IF NOT EXISTS {{attempts}} (${eventColumns},
  attempt_id String,
  status String,
  attempt_time DateTime64(3),
  code String,
  response_data String,
  manual Bool DEFAULT false,
  attempt_number UInt32 DEFAULT 0,
  INDEX idx_tenant_id tenant_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_destination_id destination_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_event_id event_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_attempt_id attempt_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_topic topic TYPE bloom_filter GRANULARITY 1,
  INDEX idx_status status TYPE set(100) GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(attempt_time)
ORDER BY (attempt_time, attempt_id)`,
    },
  ],
  down: [
    { text: "DROP TABLE IF EXISTS {{attempts}}" },
    { text: "DROP TABLE IF EXISTS {{events}}" },
  ],
  forecast: () => ({ tables: [], consequences: [] }),
  forecastDown: () => ({
    tables: [],
    consequences: ["attempts", "events"].map((table) => ({
      kind: "table_dropped" as const,
      table,
      detail: `${table} is dropped with all its rows`,
      rows: `SELECT count() FROM {{${table}}}`,
    })),
    warnings: ["attempts", "events"].map((table) => ({
      text: `all rows of ${table} go`,
      rows: `SELECT count() FROM {{${table}}}`,
    })),
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
