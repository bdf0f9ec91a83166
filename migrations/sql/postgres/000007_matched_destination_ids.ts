/**
 * An event names every destination that it matched. The one destination that it named until now becomes the first of them.
 *
 * Locks: events exclusively while it is rewritten, once: the new column is computed with the rewrite that adds it, which is
 * faster than an update and leaves no dead rows. What cannot come back on the way down: all destinations but the first, and the
 * place of destination_id among the columns.
 *
 * @module
 */

import type { SqlStep, StepRunner, StepVariant } from "../../../engine/sql/step.ts";
import type { SqlStatement } from "../../../engine/sql/statement.ts";
import { lockTables } from "../lock_tables.ts";
import { all, changed, rowsWhere, use, useDown } from "../postgres_tables.ts";

/** Every destination that was one, in a list. */
const MATCHED = "CASE WHEN destination_id = '' THEN '{}'::text[] ELSE ARRAY[destination_id] END";

const DROP_OLD: readonly SqlStatement[] = [
  { text: "DROP INDEX IF EXISTS events_tenant_id_destination_id_idx" },
  { text: "ALTER TABLE events DROP COLUMN destination_id" },
];

/** Of a partition that has partitions of its own, the server takes no expression away. */
const DEEP: StepVariant = {
  name: "with partitions of partitions",
  when: () =>
    `SELECT EXISTS (SELECT FROM pg_inherits part JOIN pg_inherits deeper ON deeper.inhparent = part.inhrelid
       WHERE part.inhparent = to_regclass('events'))`,
  up: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events ADD COLUMN matched_destination_ids text[] NOT NULL DEFAULT '{}'" },
    // Fires no triggers, and leaves no dead rows.
    {
      text: `ALTER TABLE events ALTER COLUMN matched_destination_ids TYPE text[] USING ${MATCHED}`,
    },
    { text: "CREATE INDEX ON events USING gin (matched_destination_ids)" },
    ...DROP_OLD,
  ],
  down: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events ADD COLUMN destination_id text NOT NULL DEFAULT ''" },
    {
      text:
        "ALTER TABLE events ALTER COLUMN destination_id TYPE text USING coalesce(matched_destination_ids[1], '')",
    },
    { text: "ALTER TABLE events ALTER COLUMN destination_id DROP DEFAULT" },
    { text: "ALTER TABLE events DROP COLUMN matched_destination_ids" },
  ],
  later: true,
};

/** What the step does. */
export const step: SqlStep = {
  version: 7,
  name: "matched_destination_ids",
  description: "Replaces destination_id of events by matched_destination_ids and carries it over",
  transactional: true,
  up: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    // ---- The new column, filled from the old one while the table is rewritten ----
    {
      text: `ALTER TABLE events ADD COLUMN matched_destination_ids text[] NOT NULL GENERATED ALWAYS AS
  (${MATCHED}) STORED`,
    },
    { text: "ALTER TABLE events ALTER COLUMN matched_destination_ids DROP EXPRESSION" },
    { text: "ALTER TABLE events ALTER COLUMN matched_destination_ids SET DEFAULT '{}'" },
    { text: "CREATE INDEX ON events USING gin (matched_destination_ids)" },
    // ---- The old column ----
    ...DROP_OLD,
  ],
  variants: [DEEP],
  rewrite: {
    tables: [{
      table: "events",
      everyRow: true,
      computed: { matched_destination_ids: MATCHED },
      dropped: ["destination_id"],
    }],
  },
  down: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    {
      text: `ALTER TABLE events ADD COLUMN destination_id text NOT NULL GENERATED ALWAYS AS
  (coalesce(matched_destination_ids[1], '')) STORED`,
    },
    { text: "ALTER TABLE events ALTER COLUMN destination_id DROP EXPRESSION" },
    { text: "ALTER TABLE events DROP COLUMN matched_destination_ids" },
  ],
  forecast: (from) => ({
    changes: [
      ...changed("events", from, "destination_id", "dropped"),
    ],
    tables: [use("events", from, 7, { lock: "ACCESS EXCLUSIVE", rewrite: true })],
    consequences: [
      all("table_rewritten", "events", "matched_destination_ids filled from destination_id", from, 7),
      all("column_dropped", "events", "destination_id, kept in matched_destination_ids", from, 7),
      all("index_built", "events", "events_matched_destination_ids_idx", from, 7),
    ],
  }),
  forecastDown: (from) => ({
    tables: [useDown("events", from, 7, { lock: "ACCESS EXCLUSIVE", rewrite: true })],
    consequences: [
      all("table_rewritten", "events", "destination_id filled from matched_destination_ids", from, 8),
      all("column_dropped", "events", "matched_destination_ids, its first kept in destination_id", from, 8),
    ],
    warnings: [{
      text: "events lose all matched destinations but the first",
      rows: rowsWhere("events", from, "cardinality(matched_destination_ids) > 1"),
    }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
