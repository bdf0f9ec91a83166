/**
 * Work that shows who was at it when: every write appends the writer's token to a list, through a script that checks the
 * fence on the node it runs on, as the scripts of a migration do.
 *
 * @module
 */

import { Cluster, type Redis } from "ioredis";
import { slotOfTag } from "../../engine/redis/hash_slot.ts";
import type { Fence } from "../../engine/lock.ts";

/** KEYS: 1 list. ARGV: 1 token, 2 name of the fence key on this node. Returns the new length, or 0 when refused. */
const APPEND = `
if redis.call('GET', ARGV[2]) ~= ARGV[1] then return 0 end
return redis.call('RPUSH', KEYS[1], ARGV[1])`;

/** Appends the token to a list. @throws {LockLostError} When the fence refused it for good. */
export async function appendFenced(client: Redis | Cluster, list: string, fence: Fence): Promise<void> {
  while (true) {
    const key = (await fence.keys()).find((name) => sameNode(client, list, new TextDecoder().decode(name)));
    const length = key === undefined
      ? 0
      : await client.eval(APPEND, 1, list, fence.token, new TextDecoder().decode(key)).catch(() => 0);
    if (Number(length) > 0) return;
    await fence.renew();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function sameNode(client: Redis | Cluster, one: string, other: string): boolean {
  if (!(client instanceof Cluster)) return true;
  const node = (key: string) => client.slots[slotOfTag(/\{([^}]+)\}/.exec(key)?.[1] ?? key)]?.[0];
  return node(one) === node(other);
}
