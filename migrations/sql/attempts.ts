/**
 * Which event a delivery belongs to: what step 5 makes of each.
 *
 * An event ID may occur more than once: a delivery takes the event of its own destination, then the latest one that is not after it.
 *
 * @module
 */

import type { Follows } from "../../engine/sql/step_rewrite.ts";

/** Columns of the event as an attempt carries them. */
export const EVENT_COLUMNS =
  `e.tenant_id, e.topic, e.time AS event_time, e.eligible_for_retry, e.data AS event_data,
       e.metadata AS event_metadata`;

/**
 * The IDs of several events. The planner takes a count above one for likely, which would have it sort all deliveries or look
 * each up; that two numbers are equal it takes for rare, as it is.
 */
export const TWINS =
  "twins AS MATERIALIZED (SELECT id FROM events GROUP BY id HAVING least(count(*), 2) = 2)";

/** The order of the events of one delivery, the right one first. */
export const BEST_FIRST = `d.time, d.id, ${bestFirst("abs(extract(epoch FROM d.time - e.time))")}`;

function bestFirst(distance: string): string {
  return `(e.destination_id = d.destination_id) DESC, (e.time <= d.time) DESC,
          ${distance}, e.time`;
}

const DELIVERY_COLUMNS =
  "d.id, d.event_id, d.destination_id, d.status, d.time, d.code, d.response_data, d.manual, d.attempt AS attempt_number";

/** The columns of an attempt, by name: a partition may have them in any order. */
export const ATTEMPT_COLUMNS: readonly string[] = [
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

/** Every attempt: of events whose ID is their own, and of the others. */
export const ATTEMPTS = `WITH ${TWINS}
SELECT ${DELIVERY_COLUMNS}, ${EVENT_COLUMNS}
  FROM deliveries d
  JOIN events e ON e.id = d.event_id
 WHERE NOT EXISTS (SELECT FROM twins t WHERE t.id = d.event_id)
 UNION ALL
(SELECT DISTINCT ON (d.time, d.id) ${DELIVERY_COLUMNS}, ${EVENT_COLUMNS}
   FROM twins t
   JOIN deliveries d ON d.event_id = t.id
   JOIN events e ON e.id = t.id
  ORDER BY ${BEST_FIRST})`;

/**
 * The events of a delivery, one by one: the new table of events finds them, which has an index on their IDs, and the old one has them
 * as they are.
 */
export const ITS_EVENTS = `{{events}} n JOIN events e ON e.time = n.time AND e.id = n.id
   WHERE n.id = d.event_id`;

/** Changes with the event. */
export const BY_EVENT: Follows = { table: "events", column: "id", by: "event_id" };

/** The same as {@linkcode ATTEMPTS}, row by row. */
export const EACH_ATTEMPT = `SELECT ${DELIVERY_COLUMNS}, ${EVENT_COLUMNS}
  FROM deliveries d
 CROSS JOIN LATERAL (
  SELECT e.* FROM ${ITS_EVENTS}
   ORDER BY ${
  bestFirst("CASE WHEN isfinite(d.time) THEN abs(extract(epoch FROM d.time - e.time)) END")
} LIMIT 1
 ) AS e`;
