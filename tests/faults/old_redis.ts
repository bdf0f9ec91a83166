/**
 * The Redis of an old Outpost, small enough to be filled for each of thousands of runs, and what is in it afterwards.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { destinationFieldsOf, putHash, snapshot, tenantFields } from "../support/redis_records.ts";

const TENANTS = ["plain", "with:colon", "{braced}", "\xff\xfe", "x:destinations", "last"];
/** A tenant that the application keeps writing to in its current form. */
const LIVE = "tenant:{live}:tenant";
const EXPIRES_AT = "4102444800000";

/** Empties the server and fills it. */
export async function fillOldRedis(client: Redis | Cluster, masters: readonly Redis[]): Promise<void> {
  for (const master of masters) await master.flushall();
  for (const id of TENANTS) {
    await putHash(client, `tenant:${id}`, tenantFields(id));
    for (const destination of ["d", "d:e"]) {
      await putHash(client, `tenant:${id}:destinations`, { [destination]: "{}" });
      await putHash(client, `tenant:${id}:destination:${destination}`, destinationFieldsOf(destination));
    }
  }
  await putHash(client, "tenant:deleted", { deleted_at: "2024-01-15T10:30:00Z" });
  await client.call("PEXPIREAT", "tenant:deleted", EXPIRES_AT);
  await client.set("neighbour", "1");
  await writeLive(client, 0);
}

/** The application writes its record in the current form, all of it. @param value Tells the writes apart. */
export async function writeLive(client: Redis | Cluster, value: number): Promise<void> {
  const time = String(1_900_000_000_000 + value);
  await putHash(client, LIVE, { id: "live", created_at: time, updated_at: time, value: String(value) });
}

/** The number of the write that the record has; null when it is gone. */
export async function readLive(client: Redis | Cluster): Promise<number | null> {
  const value = await client.hget(LIVE, "value");
  return value === null ? null : Number(value);
}

/** Everything but the tool's own keys and the record that the application keeps writing to. */
export async function recordsOf(client: Redis | Cluster): Promise<Map<string, string>> {
  return new Map([...await snapshot(client)].filter(([key]) => !/^\.?outpost:/.test(key) && key !== LIVE));
}
