/**
 * Every migration of the shop, what it calls its bookkeeping and its locks, and an engine over both.
 *
 * @module
 */

import {
  createEngine,
  createRegistry,
  type Engine,
  type Names,
  type RedisClient,
  type SchemaObjects,
  type TableObject,
} from "@outpost/migrate";
import type { Sql } from "postgres";
import { emails } from "./redis/001_emails.ts";
import { carts } from "./redis/002_carts.ts";
import * as orders from "./steps/000001_orders.ts";
import * as orderNote from "./steps/000002_order_note.ts";

const column = { notNull: false, default: null, generated: null };

/** What `verify` compares with: the tables that should be there, as the server describes them. */
const ordersTable: TableObject = {
  name: "orders",
  partitionKey: null,
  partitionOf: null,
  columns: [
    { ...column, name: "id", type: "text", notNull: true },
    { ...column, name: "total", type: "numeric", notNull: true },
  ],
  constraints: [{ name: "orders_pkey", definition: "PRIMARY KEY (id)" }],
  indexes: [{
    name: "orders_pkey",
    definition: "CREATE UNIQUE INDEX orders_pkey ON orders USING btree (id)",
    parent: null,
    valid: true,
  }],
};
const withNote: TableObject = {
  ...ordersTable,
  columns: [...ordersTable.columns, { ...column, name: "note", type: "text" }],
};
const schemas: readonly SchemaObjects[] = [[ordersTable], [withNote]];

const registry = createRegistry({
  postgres: { steps: [orders, orderNote], directory: `${import.meta.dirname}/steps`, schemas },
  redis: [emails, carts],
});

/** Fixed for ever: a change would make applied migrations look pending. */
const names: Names = {
  tool: "shop",
  postgres: {
    bookkeepingTable: "shop_version",
    historyTable: "shop_migrations",
    lockKey: () => 5_209_114n, // Any number that no other program uses for its advisory lock.
  },
  redis: {
    deployment: "",
    stateKey: (name) => `shop:migration:${name}`,
    olderStates: () => [],
    donePhases: [],
    usedPrefixes: ["user:", "cart:", "shop:"],
    isIgnored: (key) => key.startsWith("shop:lock") || key.startsWith("shop:fence"),
  },
  lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
};

/** An engine over the shop's stores. The clients stay the caller's. */
export function createShopEngine(postgres: Sql, redis: RedisClient): Engine {
  return createEngine({
    registry,
    names,
    postgres: { client: postgres },
    redis,
    version: "1.0.0",
    owner: { host: "shop-1", pid: Deno.pid },
  });
}
