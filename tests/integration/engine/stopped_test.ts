/** A caller who wants to stop is not kept by a store that does not answer, whatever patience the client has that he handed over. */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { Redis } from "ioredis";
import postgres from "postgres";
import { createShopEngine } from "../../../examples/shop/migrations.ts";
import { InterruptedError } from "../../../engine/errors.ts";
import { within } from "../../../engine/within.ts";
import { startFakeServer } from "../../support/fake_server.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

// Node's sockets leave timers behind in the oldest Deno, when a connection is cut off.
const quietly = { sanitizeOps: false, sanitizeResources: false };

for (const silent of ["Redis", "Postgres"]) {
  Deno.test(
    `the signal ends every call that takes one, though ${silent} does not answer`,
    quietly,
    async () => {
      await using server = await startRedis();
      await using database = await startPostgres();
      await using nobody = startFakeServer((connection) => connection.gone());
      const redis = silent === "Redis"
        ? new Redis({ host: "127.0.0.1", port: nobody.port, maxRetriesPerRequest: null })
        : server.client();
      const sql = silent === "Postgres"
        ? postgres({ host: "127.0.0.1", port: nobody.port, connect_timeout: 600 })
        : database.client(await database.createDatabase());
      redis.on("error", () => {});
      const engine = createShopEngine(sql, redis);
      const stop = new AbortController();
      const options = { signal: stop.signal };
      const calls = [
        engine.apply(options),
        engine.plan(options),
        engine.prepare(options),
        engine.verify(options),
        engine.planCleanup(options),
        engine.assertCleanable(["redis/2"], options),
        engine.cleanup("redis/2", options),
        engine.init(options),
        engine.list(options),
        engine.status(options),
        engine.assertCurrent(options),
        engine.lockOwner(options),
        ...silent === "Redis"
          ? [engine.planResolve("redis/2", options), engine.unlock(options)]
          : [engine.planDown(1, options)],
      ].map((call) => call.then(() => "done", (error: unknown) => error));
      stop.abort();
      const outcomes = await within(60_000, Promise.all(calls), () => ["nothing"]);
      assertEquals(
        outcomes.map((one) => one instanceof InterruptedError),
        calls.map(() => true),
        String(outcomes),
      );
      redis.disconnect();
      await sql.end({ timeout: 0 });
    },
  );
}

Deno.test(
  "the signal ends cleanup() while it verifies, though Redis does not answer any more",
  quietly,
  async () => {
    await using server = await startRedis();
    await using database = await startPostgres();
    const redis = new Redis({ host: "127.0.0.1", port: server.port, maxRetriesPerRequest: null });
    redis.on("error", () => {});
    const sql = database.client(await database.createDatabase());
    const engine = createShopEngine(sql, redis);
    await redis.rpush("cart:7", "a book");
    await engine.apply();
    const stop = new AbortController();
    let walked = false;
    const send = redis.sendCommand.bind(redis);
    redis.sendCommand = (command, stream) => {
      walked ||= command.name === "SCAN";
      if (walked && command.name !== "SCAN" && !stop.signal.aborted) {
        Deno.kill(server.pid, "SIGSTOP");
        stop.abort();
      }
      return send(command, stream);
    };
    const cleaned = engine.cleanup("redis/2", { signal: stop.signal }).then(() => "done", (error) => error);
    const outcome = await within(30_000, cleaned, () => "nothing");
    Deno.kill(server.pid, "SIGCONT");
    assertInstanceOf(outcome, InterruptedError);
    redis.disconnect();
    await sql.end({ timeout: 0 });
  },
);
