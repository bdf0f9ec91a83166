/**
 * Every delivery becomes an attempt that carries its event's columns, so that lists need no join.
 *
 * Locks: writers of the three tables wait until the end. Where the tables can be made anew, readers go on meanwhile; a database
 * whose deliveries are partitioned further, or have triggers, grants or indexes of the operator's own on their partition, is
 * updated by the statements below: readers then wait while rows are written.
 *
 * Nothing is thrown away: deliveries without an event and the rows of event_delivery_index move to outpost_quarantine, and come
 * back from there on the way down.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import type { SqlStatement } from "../../../engine/sql/statement.ts";
import { lockTables } from "../lock_tables.ts";
import {
  ATTEMPT_COLUMNS,
  ATTEMPTS,
  BEST_FIRST,
  BY_EVENT,
  EACH_ATTEMPT,
  EVENT_COLUMNS,
  TWINS,
} from "../attempts.ts";
import { BRING_BACK, EACH_ORPHAN, KEEP_ORPHANS, QUARANTINED, TAKE_INDEX_AWAY } from "../quarantine.ts";
import {
  all,
  changed,
  ORPHANS,
  rowsOf,
  storedAs,
  timeIdExpression,
  use,
  useDown,
} from "../postgres_tables.ts";

const BEGINNING: readonly SqlStatement[] = [
  lockTables(["events", "deliveries", "event_delivery_index"], "SHARE ROW EXCLUSIVE"),
  ...KEEP_ORPHANS,
  // The partition's new index is to have the default name, which the old one still bears.
  {
    text:
      `ALTER INDEX IF EXISTS events_default_tenant_id_time_id_idx RENAME TO outpost_events_default_tenant_id_time_id_idx`,
  },
  { text: "CREATE INDEX idx_events_tenant_time ON events (tenant_id, time DESC, id DESC)" },
  { text: "CREATE INDEX idx_events_tenant_topic_time ON events (tenant_id, topic, time DESC, id DESC)" },
  { text: "CREATE INDEX idx_events_id ON events (id)" },
];

/** Taken when the long work is done: readers of the tables wait from here to the end of the step. */
const LATE_LOCK: SqlStatement = {
  ...lockTables(["events", "deliveries", "event_delivery_index"], "ACCESS EXCLUSIVE"),
  retriesAlone: true,
};

const OLD_PARTS: readonly SqlStatement[] = [
  { text: "DROP INDEX IF EXISTS events_tenant_id_time_id_idx, events_tenant_id_destination_id_idx" },
  { text: "ALTER TABLE events DROP COLUMN time_id" },
  TAKE_INDEX_AWAY,
];

const ATTEMPT_INDEXES: Readonly<Record<string, string>> = {
  idx_attempts_tenant_time: "tenant_id, time DESC, id DESC",
  idx_attempts_tenant_dest_time: "tenant_id, destination_id, time DESC, id DESC",
  idx_attempts_tenant_status_time: "tenant_id, status, time DESC, id DESC",
  idx_attempts_tenant_topic_time: "tenant_id, topic, time DESC, id DESC",
  idx_attempts_event_time: "event_id, time DESC, id DESC",
  idx_attempts_id: "id",
};

// ---- Up ----

const UP: readonly SqlStatement[] = [
  ...BEGINNING,
  {
    text: `DELETE FROM deliveries d
 WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)`,
  },
  LATE_LOCK,
  // Without them the update below need not maintain them.
  { text: "DROP INDEX IF EXISTS deliveries_event_id_idx, deliveries_event_id_status_idx" },
  {
    text: `ALTER TABLE deliveries
  ADD COLUMN tenant_id text,
  ADD COLUMN topic text,
  ADD COLUMN event_time timestamptz,
  ADD COLUMN eligible_for_retry boolean,
  ADD COLUMN event_data jsonb,
  ADD COLUMN event_metadata jsonb`,
  },
  {
    text: `WITH ${TWINS}
UPDATE deliveries d
   SET (tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata) =
       ROW(e.tenant_id, e.topic, e.time, e.eligible_for_retry, e.data, e.metadata)
  FROM events e
 WHERE e.id = d.event_id AND NOT EXISTS (SELECT FROM twins t WHERE t.id = d.event_id)`,
  },
  {
    text: `WITH ${TWINS}, e AS (
  SELECT DISTINCT ON (d.time, d.id) d.id AS delivery_id, d.time AS delivery_time, ${EVENT_COLUMNS}
    FROM twins t
    JOIN deliveries d ON d.event_id = t.id
    JOIN events e ON e.id = t.id
   ORDER BY ${BEST_FIRST}
)
UPDATE deliveries d
   SET (tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata) =
       ROW(e.tenant_id, e.topic, e.event_time, e.eligible_for_retry, e.event_data, e.event_metadata)
  FROM e
 WHERE d.time = e.delivery_time AND d.id = e.delivery_id`,
  },
  {
    text: `ALTER TABLE deliveries
  ALTER COLUMN tenant_id SET NOT NULL,
  ALTER COLUMN topic SET NOT NULL,
  ALTER COLUMN event_time SET NOT NULL,
  ALTER COLUMN eligible_for_retry SET NOT NULL,
  ALTER COLUMN event_data SET NOT NULL,
  ALTER COLUMN event_metadata SET NOT NULL`,
  },
  { text: "ALTER TABLE deliveries RENAME TO attempts" },
  { text: "ALTER TABLE IF EXISTS deliveries_default RENAME TO attempts_default" },
  { text: "ALTER TABLE attempts RENAME COLUMN attempt TO attempt_number" },
  ...Object.entries(ATTEMPT_INDEXES).map(([name, columns]) => ({
    text: `CREATE INDEX ${name} ON attempts (${columns})`,
  })),
  ...OLD_PARTS,
];

// ---- Back ----

const BACK: readonly SqlStatement[] = [
  lockTables(["events", "attempts"], "ACCESS EXCLUSIVE"),
  // ---- deliveries ----
  {
    text:
      `DROP INDEX IF EXISTS idx_attempts_tenant_time, idx_attempts_tenant_dest_time, idx_attempts_tenant_status_time,
  idx_attempts_tenant_topic_time, idx_attempts_event_time, idx_attempts_id`,
  },
  { text: "ALTER TABLE attempts RENAME TO deliveries" },
  { text: "ALTER TABLE IF EXISTS attempts_default RENAME TO deliveries_default" },
  { text: "ALTER TABLE deliveries RENAME COLUMN attempt_number TO attempt" },
  {
    text: `ALTER TABLE deliveries
  DROP COLUMN tenant_id,
  DROP COLUMN topic,
  DROP COLUMN event_time,
  DROP COLUMN eligible_for_retry,
  DROP COLUMN event_data,
  DROP COLUMN event_metadata`,
  },
  { text: "CREATE INDEX ON deliveries (event_id)" },
  { text: "CREATE INDEX ON deliveries (event_id, status)" },
  // ---- events ----
  { text: "DROP INDEX IF EXISTS idx_events_tenant_time, idx_events_tenant_topic_time, idx_events_id" },
  {
    text: `ALTER TABLE events
  ADD COLUMN time_id text GENERATED ALWAYS AS (${timeIdExpression("time", "id")}) STORED`,
  },
  { text: "CREATE INDEX ON events (tenant_id, time_id DESC)" },
  { text: "CREATE INDEX ON events (tenant_id, destination_id)" },
  // ---- event_delivery_index ----
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
  manual boolean NOT NULL DEFAULT false,
  attempt integer NOT NULL DEFAULT 0,
  PRIMARY KEY (delivery_time, event_id, delivery_id)
) PARTITION BY RANGE (delivery_time)`,
  },
  { text: "CREATE TABLE event_delivery_index_default PARTITION OF event_delivery_index DEFAULT" },
  {
    text: `CREATE INDEX idx_event_delivery_index_main ON event_delivery_index
  (tenant_id, destination_id, topic, status, event_time DESC, delivery_time DESC, time_event_id, time_delivery_id)`,
  },
  BRING_BACK,
];

/** What the step does. */
export const step: SqlStep = {
  version: 5,
  name: "denormalize_attempts",
  description:
    "Turns deliveries into attempts that carry their event; keeps what has no event in outpost_quarantine",
  transactional: true,
  up: UP,
  rewrite: {
    tables: [
      // Made anew for the sake of its indexes: readers then go on while they are built.
      { table: "events", everyRow: true, dropped: ["time_id"] },
      {
        table: "attempts",
        was: "deliveries",
        everyRow: true,
        joined: { columns: ATTEMPT_COLUMNS, queries: [ATTEMPTS], takes: "events" },
      },
    ],
    keeps: KEEP_ORPHANS,
    drops: ["event_delivery_index"],
  },
  rows: { joined: { deliveries: { query: EACH_ATTEMPT, follows: BY_EVENT } }, kept: [EACH_ORPHAN] },
  down: BACK,
  forecast: (from) => ({
    changes: [
      ...changed("events", from, "time_id", "dropped"),
      ...changed("event_delivery_index", from, null, "dropped"),
    ],
    tables: [
      use("events", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
      use("attempts", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
      use("event_delivery_index", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
    ],
    consequences: [
      {
        kind: "rows_quarantined",
        table: "deliveries",
        detail: "deliveries without an event, kept in outpost_quarantine",
        rows: storedAs("attempts", from) === null ? null : ORPHANS,
      },
      all("rows_quarantined", "event_delivery_index", "all rows, kept in outpost_quarantine", from, 5),
      all("table_dropped", "event_delivery_index", "its rows are in outpost_quarantine", from, 5),
      all("column_dropped", "events", "time_id, computed from time and id", from, 5),
      all(
        "table_rewritten",
        "events",
        "without time_id, so that readers go on while indexes are built",
        from,
        5,
      ),
      {
        kind: "table_rewritten",
        table: "deliveries",
        detail: "becomes attempts, with the columns of the event",
        rows: rowsOf("attempts", from, 5),
      },
      all(
        "index_built",
        "events",
        "idx_events_tenant_time, idx_events_tenant_topic_time, idx_events_id",
        from,
        5,
      ),
      {
        kind: "index_built",
        table: "attempts",
        detail: Object.keys(ATTEMPT_INDEXES).join(", "),
        rows: rowsOf("attempts", from, 5),
      },
    ],
  }),
  forecastDown: (from) => ({
    tables: [
      useDown("events", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: true }),
      useDown("attempts", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
    ],
    consequences: [
      all(
        "column_dropped",
        "attempts",
        "tenant_id, topic, event_time, eligible_for_retry, event_data, event_metadata",
        from,
        6,
      ),
      all("table_rewritten", "events", "time_id computed from time and id", from, 6),
    ],
    warnings: [
      {
        text: "attempts lose the copy of their event; an attempt whose event is gone loses the only one",
        rows: rowsOf("attempts", from, from),
      },
      {
        text:
          "attempts have no row in event_delivery_index, which comes back with no more than the rows in quarantine",
        rows: rowsOf("attempts", from, from),
      },
    ],
  }),
  remains: QUARANTINED,
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
