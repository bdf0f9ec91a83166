/**
 * Every delivery becomes an attempt that carries its event's columns, so that lists need no join.
 *
 * Locks: writers of the three tables wait until the end; readers go on while rows are copied and indexes are built, and wait
 * only for the moment in which the tables change places. A database whose deliveries are partitioned further, or have triggers,
 * grants or indexes of the operator's own on their partition, keeps its partitions and is updated in place: readers then wait
 * while rows are written.
 *
 * Nothing is thrown away: deliveries without an event and the rows of event_delivery_index move to outpost_quarantine, and come
 * back from there on the way down. An event ID may occur more than once: a delivery takes the event of its own destination,
 * then the latest one that is not after it.
 *
 * @module
 */

import type { SqlStatement, SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { exchangeableDeliveries } from "../exchangeable_deliveries.ts";
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

/** Names this step in the quarantine. */
const ID = "sql/000005";

// ---- Both ways: what needs no more than writers to wait ----

/** What has no place afterwards is kept. */
const KEEPING: readonly SqlStatement[] = [
  {
    text: `CREATE TABLE IF NOT EXISTS outpost_quarantine (
  id bigserial PRIMARY KEY,
  migration text NOT NULL,
  source_table text NOT NULL,
  row jsonb NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT now()
)`,
  },
  {
    text: `INSERT INTO outpost_quarantine (migration, source_table, row)
SELECT '${ID}', 'deliveries', to_jsonb(d)
  FROM deliveries d
 WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)`,
  },
  {
    text: `INSERT INTO outpost_quarantine (migration, source_table, row)
SELECT '${ID}', 'event_delivery_index', to_jsonb(i)
  FROM event_delivery_index i`,
  },
];

const BEGINNING: readonly SqlStatement[] = [
  lockTables(["events", "deliveries", "event_delivery_index"], "SHARE ROW EXCLUSIVE"),
  ...KEEPING,
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
  { text: "DROP TABLE event_delivery_index" },
];

// ---- Which event a delivery belongs to ----

/** Columns of the event as an attempt carries them. */
const EVENT_COLUMNS = `e.tenant_id, e.topic, e.time AS event_time, e.eligible_for_retry, e.data AS event_data,
       e.metadata AS event_metadata`;

const TWINS = "twins AS MATERIALIZED (SELECT id FROM events GROUP BY id HAVING count(*) > 1)";

const BEST_FIRST = `d.time, d.id, (e.destination_id = d.destination_id) DESC, (e.time <= d.time) DESC,
          abs(extract(epoch FROM d.time - e.time)), e.time`;

// ---- By exchange: a new partition is filled beside the old one ----

const ATTEMPT_INDEXES: readonly {
  readonly name: string;
  readonly columns: string;
  readonly suffix: string;
}[] = [
  { name: "idx_attempts_tenant_time", columns: "tenant_id, time DESC, id DESC", suffix: "tenant_id_time_id" },
  {
    name: "idx_attempts_tenant_dest_time",
    columns: "tenant_id, destination_id, time DESC, id DESC",
    suffix: "tenant_id_destination_id_time_id",
  },
  {
    name: "idx_attempts_tenant_status_time",
    columns: "tenant_id, status, time DESC, id DESC",
    suffix: "tenant_id_status_time_id",
  },
  {
    name: "idx_attempts_tenant_topic_time",
    columns: "tenant_id, topic, time DESC, id DESC",
    suffix: "tenant_id_topic_time_id",
  },
  { name: "idx_attempts_event_time", columns: "event_id, time DESC, id DESC", suffix: "event_id_time_id" },
  { name: "idx_attempts_id", columns: "id", suffix: "id" },
];

const DELIVERY_COLUMNS =
  "d.id, d.event_id, d.destination_id, d.status, d.time, d.code, d.response_data, d.manual, d.attempt AS attempt_number";

/** The columns of an attempt, by name: a partition may have them in any order. */
const ATTEMPT_COLUMNS = [
  ...[
    "id",
    "event_id",
    "destination_id",
    "status",
    "time",
    "code",
    "response_data",
    "manual",
    "attempt_number",
  ],
  ...["tenant_id", "topic", "event_time", "eligible_for_retry", "event_data", "event_metadata"],
];

/** Two queries that together give every attempt: of events whose ID is their own, and of the others. */
const ATTEMPTS = [
  `WITH ${TWINS}
SELECT ${DELIVERY_COLUMNS}, ${EVENT_COLUMNS}
  FROM deliveries d
  JOIN events e ON e.id = d.event_id
 WHERE NOT EXISTS (SELECT FROM twins t WHERE t.id = d.event_id)`,
  `WITH ${TWINS}
SELECT DISTINCT ON (d.time, d.id) ${DELIVERY_COLUMNS}, ${EVENT_COLUMNS}
  FROM twins t
  JOIN deliveries d ON d.event_id = t.id
  JOIN events e ON e.id = t.id
 ORDER BY ${BEST_FIRST}`,
];

const BY_EXCHANGE: readonly SqlStatement[] = [
  ...BEGINNING,
  {
    text: `CREATE TABLE attempts_default (
  LIKE deliveries_default INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION,
  tenant_id text NOT NULL,
  topic text NOT NULL,
  event_time timestamptz NOT NULL,
  eligible_for_retry boolean NOT NULL,
  event_data jsonb NOT NULL,
  event_metadata jsonb NOT NULL
)`,
  },
  { text: "ALTER TABLE attempts_default RENAME COLUMN attempt TO attempt_number" },
  ...ATTEMPTS.map((query) => ({
    text: `INSERT INTO attempts_default (${ATTEMPT_COLUMNS.join(", ")})\n${query}`,
  })),
  {
    text: "ALTER TABLE attempts_default ADD CONSTRAINT outpost_attempts_default_pkey PRIMARY KEY (time, id)",
  },
  ...ATTEMPT_INDEXES.map(({ columns, suffix }) => ({
    text: `CREATE INDEX attempts_default_${suffix}_idx ON attempts_default (${columns})`,
  })),
  { text: "ANALYZE attempts_default" },
  // From here to the end is a matter of names: no row is read or written.
  LATE_LOCK,
  { text: "DROP TABLE deliveries_default" },
  { text: "DROP INDEX IF EXISTS deliveries_event_id_idx, deliveries_event_id_status_idx" },
  { text: "ALTER TABLE deliveries RENAME TO attempts" },
  { text: "ALTER TABLE attempts RENAME COLUMN attempt TO attempt_number" },
  {
    text: `ALTER TABLE attempts
  ADD COLUMN tenant_id text NOT NULL,
  ADD COLUMN topic text NOT NULL,
  ADD COLUMN event_time timestamptz NOT NULL,
  ADD COLUMN eligible_for_retry boolean NOT NULL,
  ADD COLUMN event_data jsonb NOT NULL,
  ADD COLUMN event_metadata jsonb NOT NULL`,
  },
  {
    text:
      "ALTER TABLE attempts_default RENAME CONSTRAINT outpost_attempts_default_pkey TO deliveries_default_pkey",
  },
  ...ATTEMPT_INDEXES.map(({ name, columns }) => ({ text: `CREATE INDEX ${name} ON attempts (${columns})` })),
  { text: "ALTER TABLE attempts ATTACH PARTITION attempts_default DEFAULT" },
  ...OLD_PARTS,
];

// ---- In place: the partitions stay and their rows are updated ----

const IN_PLACE: readonly SqlStatement[] = [
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
  ...ATTEMPT_INDEXES.map(({ name, columns }) => ({ text: `CREATE INDEX ${name} ON attempts (${columns})` })),
  ...OLD_PARTS,
];

// ---- Back ----

/**
 * Moves rows from the quarantine to their table, one for each key that is free there. Only what was inserted leaves the quarantine:
 * a row whose key is taken, or that a trigger refuses, stays.
 */
function backFromQuarantine(table: string, key: readonly string[], others: readonly string[]): string {
  const columns = [...key, ...others].join(", ");
  const of = (alias: string) => key.map((column) => `${alias}.${column}`).join(", ");
  return `  WITH wanted AS MATERIALIZED (
    SELECT DISTINCT ON (${of("r")}) q.id AS quarantine_id, r.*
      FROM outpost_quarantine q, jsonb_populate_record(NULL::${table}, q.row) r
     WHERE q.migration = '${ID}' AND q.source_table = '${table}'
       AND NOT EXISTS (SELECT FROM ${table} t WHERE (${of("t")}) = (${of("r")}))
     ORDER BY ${of("r")}, q.id
  ), inserted AS (
    INSERT INTO ${table} (${columns})
    SELECT ${columns} FROM wanted
    RETURNING ${key.join(", ")}
  )
  DELETE FROM outpost_quarantine q USING wanted w, inserted i
   WHERE q.id = w.quarantine_id AND (${of("i")}) = (${of("w")});`;
}

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
  // ---- What is in the quarantine goes where it was, and stays there where that place is taken ----
  {
    text: `DO $$
BEGIN
  IF to_regclass('outpost_quarantine') IS NULL THEN -- A released Outpost left none.
    RETURN;
  END IF;
${
      backFromQuarantine("deliveries", ["time", "id"], [
        "event_id",
        "destination_id",
        "status",
        "code",
        "response_data",
        "manual",
        "attempt",
      ])
    }
${
      backFromQuarantine("event_delivery_index", ["delivery_time", "event_id", "delivery_id"], [
        "tenant_id",
        "destination_id",
        "event_time",
        "topic",
        "status",
        "manual",
        "attempt",
      ])
    }
END
$$`,
  },
];

/** What the step does. */
export const step: SqlStep = {
  version: 5,
  name: "denormalize_attempts",
  description:
    "Turns deliveries into attempts that carry their event; keeps what has no event in outpost_quarantine",
  transactional: true,
  variants: [{ name: "by exchange", when: exchangeableDeliveries, up: BY_EXCHANGE }],
  up: IN_PLACE,
  rewrite: {
    tables: [
      { table: "events", everyRow: false, dropped: ["time_id"] },
      {
        table: "attempts",
        was: "deliveries",
        everyRow: true,
        joined: { columns: ATTEMPT_COLUMNS, queries: ATTEMPTS },
      },
    ],
    keeps: KEEPING,
    drops: ["event_delivery_index"],
  },
  down: BACK,
  forecast: (from) => ({
    changes: [
      ...changed("events", from, "time_id", "dropped"),
      ...changed("event_delivery_index", from, null, "dropped"),
    ],
    tables: [
      use("events", from, 5, { lock: "ACCESS EXCLUSIVE", rewrite: false }),
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
        detail: ATTEMPT_INDEXES.map(({ name }) => name).join(", "),
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
  remains: {
    table: "outpost_quarantine",
    count: `SELECT count(*) FROM outpost_quarantine WHERE migration = '${ID}'`,
    delete: `DELETE FROM outpost_quarantine WHERE migration = '${ID}'`,
    detail: "rows in outpost_quarantine: deliveries without an event, and event_delivery_index",
  },
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
