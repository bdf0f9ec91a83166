/**
 * Carts move to keys with a hash tag, so that a cluster keeps a user's keys on one node.
 *
 * Before: `cart:42`. After: also `shop:{42}:cart`, with the same items and TTL. The original stays until cleanup.
 *
 * @module
 */

import { copyKeys, type RedisMigration } from "@outpost/migrate";

const OLD = "cart:";

/** The migration. */
export const carts: RedisMigration = {
  name: "002_carts",
  version: 2,
  description: "Carts under keys with a hash tag",
  change: copyKeys({
    pattern: `${OLD}*`,
    judge: (key, { type }) =>
      type === "list" ? { target: `shop:{${key.slice(OLD.length)}}:cart`, kind: "carts" } : null,
    groupOf: (key) => key,
  }),
};
