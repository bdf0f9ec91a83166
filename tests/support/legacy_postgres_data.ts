/**
 * The log of an old Outpost, as golang-migrate left it at version 4.
 *
 * @module
 */

import type postgres from "postgres";

/** How much there is. */
export interface LegacyLog {
  readonly events: number;
  /** One for each event, and these more whose event is gone. */
  readonly orphans: number;
}

/**
 * Fills a log at version 4: events, one delivery and one index row for each, and deliveries without an event.
 *
 * @param sql A client whose search path leads to the tables.
 */
export async function fillLegacyLog(sql: postgres.Sql, { events, orphans }: LegacyLog): Promise<void> {
  await sql.unsafe(`
    INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
    SELECT 'evt_' || i, 'tenant_' || i % 2000, 'dest_' || i % 5, timestamptz '2025-03-01' + i * interval '7 seconds',
           (ARRAY['order.created', 'order.paid', 'user.deleted'])[1 + i % 3], i % 7 <> 0,
           jsonb_build_object('order', i, 'total', i * 3, 'note', 'bought "' || i || '" – thanks'),
           jsonb_build_object('source', 'checkout')
    FROM generate_series(1, ${Number(events)}) AS i`);
  await sql.unsafe(`
    INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
    SELECT 'del_' || i, CASE WHEN i <= ${
    Number(events)
  } THEN 'evt_' || i ELSE 'evt_gone_' || i END, 'dest_' || i % 5,
           CASE WHEN i % 11 = 0 THEN 'failed' ELSE 'success' END, timestamptz '2025-03-01' + i * interval '7 seconds',
           CASE WHEN i % 11 = 0 THEN '503' ELSE '200' END, jsonb_build_object('body', 'ok'), i % 97 = 0, i % 3
    FROM generate_series(1, ${Number(events) + Number(orphans)}) AS i`);
  await sql.unsafe(`
    INSERT INTO event_delivery_index
      (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status, manual, attempt)
    SELECT e.id, d.id, e.tenant_id, d.destination_id, e.time, d.time, e.topic, d.status, d.manual, d.attempt
    FROM events e JOIN deliveries d ON d.event_id = e.id`);
}

/** Turns a database that this tool brought to a version into one that golang-migrate brought there. */
export async function forgetOwnTables(sql: postgres.Sql): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    SELECT quote_ident(tablename) AS name FROM pg_tables
    WHERE schemaname = current_schema() AND tablename LIKE 'outpost\\_%'`;
  for (const { name } of tables) await sql.unsafe(`DROP TABLE ${name}`);
}
