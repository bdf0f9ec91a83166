/**
 * Neighbours: keys that are nobody's business, some of which look like Outpost's at first sight.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";

/** Writes them. @returns Their names. */
export async function addForeign(client: Redis | Cluster): Promise<string[]> {
  const hashes: Record<string, Record<string, string>> = {
    "rsmq:QUEUES:Q": { vt: "30", created: "2024-01-15T10:30:00Z" },
    ".outpost:retry": { created_at: "2024-01-15T10:30:00Z" },
    // What the operator counts about a destination.
    "tenant:{x1}:destination:d1:stats": { hits: "3", created_at: "2024-01-15T10:30:00Z" },
    // The list of a tenant whose ID looks like the middle of another's key.
    "tenant:{a}:destination:b}:destinations": { d9: '{"id":"d9"}' },
    "tenant:{a}:destination:b}:tenant": {
      id: "a}:destination:b",
      created_at: "1705314600000",
      entity: "tenant",
    },
    "tenant:{x3}:tenant": { id: "somebody else", created_at: "2024-01-15T10:30:00Z" },
    "tenant:foo": { id: "bar", created_at: "2024-01-15T10:30:00Z" },
    // A deployment that nobody migrates.
    "dp_9:tenant:{z}:tenant": { id: "z", created_at: "2024-01-15T10:30:00Z" },
  };
  for (const [key, fields] of Object.entries(hashes)) await client.hset(key, fields);
  await client.set("tenant:{x2}:tenant", "text");
  await client.sadd("tenant:{x4}:destination:d1", "a", "b");
  await client.set("outpost:installation_id", "0a1b2c");
  await client.set("idempotency:event:1", "done", "PX", 3_600_000);
  await client.zadd("outpost:alert:1", 1, "a");
  return [
    ...Object.keys(hashes),
    ...["tenant:{x2}:tenant", "tenant:{x4}:destination:d1", "outpost:installation_id"],
    ...["idempotency:event:1", "outpost:alert:1"],
  ];
}
