/**
 * Replaces an event's one destination by the list of those it matched.
 *
 * Applications go on reading and writing meanwhile, and nothing that they are told is kept may lose its destination:
 * 1. The new column computes itself from the old one, so that every insert from then on has both.
 * 2. Inserts that began before are waited for: theirs is the only data that may appear without the new column.
 * 3. A mutation stores the computed values, until no part is without them.
 * 4. The old column is renamed. From here on the server refuses inserts that name it, so that none can come behind the proof.
 * 5. The default becomes what released versions have, and the old column is dropped.
 *
 * Each statement stands being repeated. Taking it back does the same the other way round, and keeps the first destination of
 * each list only.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import type { SqlStatement } from "../../../engine/sql/statement.ts";

const linked = "SELECT count() FROM {{events}} WHERE destination_id != ''";

/** Inserts into any table, at any replica, that began before this question was asked first. */
const olderInserts = `SELECT count() FROM {{system.processes}}
 WHERE query_kind = 'Insert' AND toFloat64(now64(3)) - elapsed <= {since:Float64}`;

/** Waits for inserts that know nothing of a new column. */
const oldInsertsDone: SqlStatement = { text: olderInserts, until: olderInserts };

/** Parts in which a column is not stored, and rows that meet a condition. */
const left = (column: string, condition: string) =>
  `SELECT (SELECT count() FROM system.parts
   WHERE active AND rows > 0 AND database = currentDatabase() AND table = '{{events:name}}' AND name NOT IN (
    SELECT name FROM system.parts_columns
     WHERE active AND database = currentDatabase() AND table = '{{events:name}}' AND column = '${column}'))
 + (SELECT count() FROM {{events}} WHERE ${condition})`;

const MANY = "matched_destination_ids Array(String)";
const manyFromOne = "if(destination_id = '', [], [destination_id])";

/** The step, as data. */
export const step: SqlStep = {
  version: 2,
  name: "matched_destination_ids",
  description: "Keep all destinations that an event matched instead of one",
  transactional: false,
  up: [
    // Both are there again, and empty, when a run was cut off after the rename or the drop: then all was carried over.
    { text: "ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS destination_id String AFTER tenant_id" },
    { text: "ALTER TABLE {{events}} MODIFY COLUMN destination_id String DEFAULT ''" },
    { text: `ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS ${MANY} DEFAULT ${manyFromOne}` },
    { text: `ALTER TABLE {{events}} MODIFY COLUMN ${MANY} DEFAULT ${manyFromOne}` },
    { text: "ALTER TABLE {{events}} DROP COLUMN IF EXISTS outpost_destination_id" },
    {
      text:
        `ALTER TABLE {{events}} ADD INDEX IF NOT EXISTS idx_matched_destination_ids matched_destination_ids
  TYPE bloom_filter GRANULARITY 1`,
    },
    oldInsertsDone,
    {
      // All rows: a part in which nothing seems to change would be passed over, and its values be lost with the old column.
      text: `ALTER TABLE {{events}} UPDATE matched_destination_ids =
  if(empty(matched_destination_ids) AND destination_id != '', [destination_id], matched_destination_ids) WHERE 1`,
      mutates: "events",
      until: left("matched_destination_ids", "destination_id != '' AND empty(matched_destination_ids)"),
    },
    { text: "ALTER TABLE {{events}} DROP INDEX IF EXISTS idx_destination_id" },
    { text: "ALTER TABLE {{events}} RENAME COLUMN destination_id TO outpost_destination_id" },
    { text: `ALTER TABLE {{events}} MODIFY COLUMN ${MANY} DEFAULT []` },
    { text: "ALTER TABLE {{events}} DROP COLUMN outpost_destination_id" },
  ],
  down: [
    { text: `ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS ${MANY} DEFAULT []` },
    { text: `ALTER TABLE {{events}} MODIFY COLUMN ${MANY} DEFAULT []` },
    {
      text:
        `ALTER TABLE {{events}} ADD COLUMN IF NOT EXISTS destination_id String DEFAULT matched_destination_ids[1]
  AFTER tenant_id`,
    },
    { text: "ALTER TABLE {{events}} MODIFY COLUMN destination_id String DEFAULT matched_destination_ids[1]" },
    { text: "ALTER TABLE {{events}} DROP COLUMN IF EXISTS outpost_matched_destination_ids" },
    {
      text: `ALTER TABLE {{events}} ADD INDEX IF NOT EXISTS idx_destination_id destination_id
  TYPE bloom_filter GRANULARITY 1 AFTER idx_tenant_id`,
    },
    oldInsertsDone,
    {
      text: `ALTER TABLE {{events}} UPDATE destination_id =
  if(destination_id = '', matched_destination_ids[1], destination_id) WHERE 1`,
      mutates: "events",
      until: left("destination_id", "destination_id = '' AND matched_destination_ids[1] != ''"),
    },
    { text: "ALTER TABLE {{events}} DROP INDEX IF EXISTS idx_matched_destination_ids" },
    {
      text: "ALTER TABLE {{events}} RENAME COLUMN matched_destination_ids TO outpost_matched_destination_ids",
    },
    { text: "ALTER TABLE {{events}} MODIFY COLUMN destination_id REMOVE DEFAULT" },
    { text: "ALTER TABLE {{events}} DROP COLUMN outpost_matched_destination_ids" },
  ],
  forecast: (from) => ({
    changes: [{ table: "events", column: "destination_id", change: "dropped" }],
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
    changes: [{ table: "events", column: "matched_destination_ids", change: "dropped" }],
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
