/**
 * Work that shows who was at it when: every write appends the writer's token to a list, through a script that checks the
 * fence on the node it runs on, as the scripts of a migration do.
 *
 * @module
 */

import { Cluster, type Redis } from "ioredis";
import { type Binary, decodeText } from "../../engine/redis/binary.ts";
import { keySlot } from "../../engine/redis/hash_slot.ts";
import type { Fence } from "../../engine/lock/lock.ts";

/** KEYS: 1 list. ARGV: 1 token, 2 name of the fence key on this node. Returns the new length, or 0 when refused. */
const APPEND = `
if redis.call('GET', ARGV[2]) ~= ARGV[1] then return 0 end
return redis.call('RPUSH', KEYS[1], ARGV[1])`;

/** Appends the token to a list. @throws {LockLostError} When the fence refused it for good. */
export async function appendFenced(client: Redis | Cluster, list: string, fence: Fence): Promise<void> {
  while (!await appendOnce(client, list, fence.token, await fence.keys()).catch(() => false)) {
    await fence.renew();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Appends the token to a list if the server finds it in one of these fence keys. @returns Whether it did. */
export async function appendOnce(
  client: Redis | Cluster,
  list: string,
  token: string,
  keys: readonly Binary[],
): Promise<boolean> {
  const name = keys.map((key) => decodeText(key)!).find((name) =>
    nodeOf(client, name) === nodeOf(client, list)
  );
  return name !== undefined && Number(await client.eval(APPEND, 1, list, token, name)) > 0;
}

function nodeOf(client: Redis | Cluster, key: string): string | undefined {
  if (!(client instanceof Cluster)) return undefined;
  return client.slots[keySlot(key)]?.[0];
}
