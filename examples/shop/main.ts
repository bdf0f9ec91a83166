/**
 * The shop. `migrate` brings its data up to date; without it the shop starts, or refuses while anything is pending.
 *
 * @module
 */

import { Redis } from "ioredis";
import postgres from "postgres";
import { createShopEngine } from "./migrations.ts";

const sql = postgres(Deno.env.get("POSTGRES_URL") ?? "postgres://localhost/shop");
const redis = new Redis(Deno.env.get("REDIS_URL") ?? "redis://localhost");
const engine = createShopEngine(sql, redis);
try {
  if (Deno.args[0] === "migrate") await engine.apply();
  await engine.assertCurrent(); // Throws PendingError: a shop on data of an older form never takes an order.
  // Here the shop opens.
} finally {
  redis.disconnect();
  await sql.end();
}
