/**
 * Replaces an event's one destination by the list of those it matched.
 *
 * The column is filled from `destination_id` before that is dropped, which released versions do not do. Readers and writers
 * go on meanwhile; the fill is a mutation that rewrites the parts of `events` in the background of the server, and is awaited.
 * Taking it back keeps the first destination of each list only.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";

const linked = "SELECT count() FROM {{events}} WHERE destination_id != ''";

/** The step, as data. */
export const step: SqlStep = {
  version: 2,
  name: "matched_destination_ids",
  description: "Keep all destinations that an event matched instead of one",
  transactional: false,
  up: [
    {
      text:
        "ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS matched_destination_ids Array(String) DEFAULT []",
    },
    {
      text:
        `ALTER TABLE {{events}} ADD INDEX IF NOT EXISTS idx_matched_destination_ids matched_destination_ids
  TYPE bloom_filter GRANULARITY 1`,
    },
    // The column is there again, and empty, when a run was cut off after it was dropped: then nothing is left to carry over.
    { text: "ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS destination_id String AFTER tenant_id" },
    {
      text: `ALTER TABLE {{events}} UPDATE matched_destination_ids = [destination_id]
  WHERE destination_id != '' AND empty(matched_destination_ids) SETTINGS mutations_sync = 2`,
    },
    { text: "ALTER TABLE {{events}} DROP INDEX IF EXISTS idx_destination_id" },
    { text: "ALTER TABLE {{events}} DROP COLUMN IF EXISTS destination_id" },
  ],
  down: [
    { text: "ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS destination_id String AFTER tenant_id" },
    {
      text:
        `ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS matched_destination_ids Array(String) DEFAULT []`,
    },
    {
      text: `ALTER TABLE {{events}} UPDATE destination_id = matched_destination_ids[1]
  WHERE destination_id = '' AND notEmpty(matched_destination_ids) SETTINGS mutations_sync = 2`,
    },
    {
      text: `ALTER TABLE {{events}} ADD INDEX IF NOT EXISTS idx_destination_id destination_id
  TYPE bloom_filter GRANULARITY 1 AFTER idx_tenant_id`,
    },
    { text: "ALTER TABLE {{events}} DROP INDEX IF EXISTS idx_matched_destination_ids" },
    { text: "ALTER TABLE {{events}} DROP COLUMN IF EXISTS matched_destination_ids" },
  ],
  forecast: (from) => ({
    tables: [{
      name: "events",
      storedAs: from >= 1 ? "events" : null,
      rows: from >= 1 ? "SELECT count() FROM {{events}}" : null,
      lock: "none",
      rewrite: from >= 1,
    }],
    consequences: [
      {
        kind: "table_rewritten",
        table: "events",
        detail: "destination_id is carried into matched_destination_ids by a mutation",
        rows: from >= 1 ? linked : null,
      },
      {
        kind: "column_dropped",
        table: "events",
        detail: "destination_id, after its values were carried over",
        rows: from >= 1 ? linked : null,
      },
    ],
  }),
  forecastDown: () => ({
    tables: [{
      name: "events",
      storedAs: "events",
      rows: "SELECT count() FROM {{events}}",
      lock: "none",
      rewrite: true,
    }],
    consequences: [{
      kind: "column_dropped",
      table: "events",
      detail: "matched_destination_ids, of which the first is kept in destination_id",
      rows: "SELECT count() FROM {{events}} WHERE notEmpty(matched_destination_ids)",
    }],
    warnings: [{
      text: "events matched several destinations and keep the first only",
      rows: "SELECT count() FROM {{events}} WHERE length(matched_destination_ids) > 1",
    }],
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
