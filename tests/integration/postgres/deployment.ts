/**
 * An Outpost's log store in a database of a test's own: the backend over it, its steps one by one, and data as old releases
 * left it.
 *
 * @module
 */

import type postgres from "postgres";
import type { SqlBackend, SqlRunOptions, SqlSession } from "../../../engine/sql_backend.ts";
import { createPostgresBackend, type PostgresOptions } from "../../../engine/postgres/backend.ts";
import { golangMigrateLockKey } from "../../../engine/postgres/lock.ts";
import { readSchemaObjects, type SchemaObjects } from "../../../engine/postgres/schema_objects.ts";
import { queryThrough } from "../../../engine/postgres/query.ts";
import { frozenRegistry } from "../../support/frozen_registry.ts";

const { steps, directory, schemas } = frozenRegistry("").postgres!;
export { steps };

/** The backend as the program builds it. */
export function backendOver(sql: postgres.Sql, changes: Partial<PostgresOptions> = {}): SqlBackend {
  return createPostgresBackend({
    sql,
    steps,
    directory,
    schemas,
    names: {
      bookkeepingTable: "schema_migrations",
      historyTable: "outpost_migrations",
      lockKey: (schema, database) => golangMigrateLockKey(schema, "schema_migrations", database),
    },
    tool: { name: "outpost", version: "0.0.0-test", who: "tester@host" },
    lease: { lockName: "outpost:migration:lock", ttlMs: 30_000 },
    ...changes,
  });
}

/** Run options that do nothing, but for what a test is about. */
export function running(changes: Partial<SqlRunOptions> = {}): SqlRunOptions {
  return { signal: new AbortController().signal, beforeCommit: () => Promise.resolve(), ...changes };
}

/** Applies all steps up to a version, under the lock, each as the engine does. */
export async function migrateTo(backend: SqlBackend, version: number): Promise<void> {
  await using session = await locked(backend);
  const { version: from } = await backend.read();
  for (let next = from + 1; next <= version; next++) await session.up(next, running());
}

/** A session that holds the lock. */
export async function locked(backend: SqlBackend): Promise<SqlSession> {
  const session = await backend.connect();
  const owner = await session.tryLock(null);
  if (owner === null) return session;
  await session[Symbol.asyncDispose]();
  throw new Error(`The lock is held by ${JSON.stringify(owner)}`);
}

/** What stands in the database, without the tool's own tables and golang-migrate's. */
export async function outpostSchema(sql: postgres.Sql, schema = "public"): Promise<SchemaObjects> {
  const objects = await readSchemaObjects(
    queryThrough(sql),
    schema,
  );
  return objects.filter(({ name }) => !name.startsWith("outpost_") && name !== "schema_migrations");
}

/** The released schema of a version; nothing for 0. */
export function releasedSchema(version: number): SchemaObjects {
  return version === 0 ? [] : schemas[version - 1]!;
}

/** What {@linkcode fill} wrote. */
export interface Fixture {
  readonly events: number;
  readonly deliveries: number;
  readonly orphans: number;
  readonly indexRows: number;
}

/**
 * Fills a database at version 4 with events, deliveries, index rows, deliveries without an event, events without a destination,
 * and an event ID that occurs twice.
 */
export async function fill(sql: postgres.Sql, events = 40): Promise<Fixture> {
  await sql.unsafe(`
    INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
    SELECT 'evt_' || n, 'tenant_' || n % 7, CASE WHEN n % 5 = 0 THEN '' ELSE 'dst_' || n % 11 END,
           timestamptz '2025-01-01 00:00:00.123456+00' + n * interval '1 minute', 'topic.' || n % 3, n % 2 = 0,
           jsonb_build_object('z', n, 'a', repeat('x', n % 50)), jsonb_build_object('source', 'test')
      FROM generate_series(1, ${events}) n`);
  await sql.unsafe(`
    INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
    SELECT 'del_' || n, CASE WHEN n % 8 = 0 THEN 'evt_gone_' || n ELSE 'evt_' || n END, 'dst_' || n % 11,
           CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'success' END,
           timestamptz '2025-01-01 00:00:30.654321+00' + n * interval '1 minute', '200',
           CASE WHEN n % 4 = 0 THEN NULL ELSE jsonb_build_object('body', 'ok ' || n) END, n % 9 = 0, n % 4
      FROM generate_series(1, ${events}) n`);
  await sql.unsafe(`
    INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status,
      manual, attempt)
    SELECT 'evt_' || n, 'del_' || n, 'tenant_' || n % 7, 'dst_' || n % 11, timestamptz '2025-01-01 00:00:00.123456+00',
           timestamptz '2025-01-01 00:00:30.654321+00' + n * interval '1 minute', 'topic',
           'success', false, n
      FROM generate_series(1, ${events / 2}) n`);
  // One event ID twice: the delivery is closer to the second, and goes to the destination of the first.
  await sql.unsafe(`
    INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata) VALUES
      ('evt_twin', 'tenant_a', 'dst_a', '2025-02-01 00:00:00+00', 'first', true, '{"n": 1}', '{}'),
      ('evt_twin', 'tenant_b', 'dst_b', '2025-02-01 00:10:00+00', 'second', true, '{"n": 2}', '{}');
    INSERT INTO deliveries (id, event_id, destination_id, status, time) VALUES
      ('del_twin_a', 'evt_twin', 'dst_a', 'success', '2025-02-01 00:11:00+00'),
      ('del_twin_late', 'evt_twin', 'dst_c', 'success', '2025-02-01 00:09:00+00')`);
  return {
    events: events + 2,
    deliveries: events + 2,
    orphans: Math.floor(events / 8),
    indexRows: events / 2,
  };
}

/** Every row of the tables that a released Outpost knows, as text, in an order of its own. */
export async function contents(sql: postgres.Sql): Promise<Record<string, string[]>> {
  const tables = await outpostSchema(sql);
  const found: Record<string, string[]> = {};
  for (const { name } of tables.filter((table) => table.partitionOf === null)) {
    const rows = await sql.unsafe<{ row: string }[]>(
      `SELECT to_jsonb(t)::text AS row FROM "${name}" t ORDER BY 1`,
    );
    found[name] = rows.map(({ row }) => row);
  }
  return found;
}

/** Process id of the server's side of the session that holds the lock. */
export async function lockHolder(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  return row!.pid;
}

/** All that a step could change: schema, rows, bookkeeping and the tool's own tables. */
export async function everything(sql: postgres.Sql): Promise<unknown> {
  const own = await sql.unsafe<{ name: string }[]>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND (relname LIKE 'outpost%' OR relname = 'schema_migrations') ORDER BY 1`,
  );
  const rows: Record<string, unknown> = {};
  for (const { name } of own) {
    // Without what the client tells of the connection, of which there may be several.
    rows[name] = [...await sql.unsafe(`SELECT * FROM "${name}" t ORDER BY to_jsonb(t)::text`)];
  }
  return { schema: await outpostSchema(sql), contents: await contents(sql), own: rows };
}
