/**
 * Which Redis this is, without secrets.
 *
 * @module
 */

import type { StorePlace } from "../migration.ts";
import { display, encodeText } from "./binary.ts";
import { databaseOf } from "./client.ts";
import type { RedisStore } from "./store.ts";
import { readTopology } from "./topology.ts";

/** What tells this Redis and deployment from another, and the same for people. */
export async function whereabouts(
  store: RedisStore,
  deployment: string,
): Promise<{ readonly identity: string; readonly place: StorePlace }> {
  const { nodes } = await readTopology(store);
  const names = nodes.map(({ name }) => name).sort();
  const { client } = nodes[0]!;
  const { path, host, port } = client.options;
  const database = store.clustered ? 0 : databaseOf(client);
  const at = store.clustered
    ? { host: names.join(", "), port: null }
    : path
    ? { host: path, port: null }
    : { host: host ?? "localhost", port: port ?? 6379 };
  return {
    identity: `redis://${names.join(",")}/${database}#${display(encodeText(deployment))}`,
    place: { ...at, database: String(database), schema: null },
  };
}
