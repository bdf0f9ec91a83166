/**
 * What an old Outpost left in its stores, small enough to read.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import type postgres from "postgres";

/** One tenant in the legacy form. @param destinations How many destinations it has. */
export async function seedLegacyTenant(client: Redis | Cluster, id: string, destinations = 0): Promise<void> {
  const created = "2024-01-15T10:30:00Z";
  await client.hset(`tenant:${id}`, { id, created_at: created });
  for (let i = 1; i <= destinations; i++) {
    const destination = `d${i}`;
    await client.hset(
      `tenant:${id}:destinations`,
      destination,
      JSON.stringify({ id: destination, type: "webhook" }),
    );
    await client.hset(`tenant:${id}:destination:${destination}`, {
      id: destination,
      type: "webhook",
      topics: '["*"]',
      config: "{}",
      credentials: "secret bytes",
      created_at: created,
      updated_at: "2024-02-01T08:00:00.5+07:00",
    });
  }
}

/** Two events, their deliveries, and one delivery whose event is missing. The database is at version 4. */
export async function seedVersion4(sql: postgres.Sql): Promise<void> {
  await sql`insert into events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata) values
    ('e1', 't1', 'd1', '2024-03-01T00:00:00Z', 'user.created', true, '{"a": 1}', '{}'),
    ('e2', 't1', 'd1', '2024-03-02T00:00:00Z', 'user.created', true, '{"a": 2}', '{}')`;
  await sql`insert into deliveries (id, event_id, destination_id, status, time) values
    ('v1', 'e1', 'd1', 'success', '2024-03-01T00:00:01Z'),
    ('v2', 'e2', 'd1', 'failed', '2024-03-02T00:00:01Z'),
    ('v3', 'gone', 'd1', 'failed', '2024-03-02T00:00:02Z')`;
}
