/**
 * The shop. `plan`, `migrate`, `verify` and `cleanup` look after its data; without one of them it starts, or refuses while
 * anything is pending.
 *
 * @module
 */

import { Redis } from "ioredis";
import postgres from "postgres";
import { createShopEngine } from "./migrations.ts";

const sql = postgres(Deno.env.get("POSTGRES_URL") ?? "postgres://localhost/shop");
const redis = new Redis(Deno.env.get("REDIS_URL") ?? "redis://localhost");
const engine = createShopEngine(sql, redis);
const { log } = console;

// Ctrl-C ends the work after the batch in hand, with InterruptedError; the same command goes on.
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
const options = { signal: stop.signal };

try {
  switch (Deno.args[0]) {
    case "plan":
      log(await engine.plan(options));
      break;
    case "migrate":
      log((await engine.apply(options)).results); // Throws ApplyError where one failed.
      break;
    case "verify": {
      const { ok, redis, postgres } = await engine.verify({ ...options, full: true });
      log(ok ? "Verified" : [postgres, ...redis].map((one) => one?.issues));
      if (!ok) Deno.exitCode = 1;
      break;
    }
    case "cleanup":
      for (const { id } of (await engine.planCleanup(options)).items) {
        log(id, await engine.cleanup(id, options)); // Deletes an original with its copy proven, and verifies before.
      }
      break;
    default:
      await engine.assertCurrent();
      // Here the shop opens.
      // Throws PendingError: a shop on data of an older form never takes an order.
  }
} finally {
  redis.disconnect();
  await sql.end();
}
