/** What callers get wrong whom no compiler helps, and listeners that fail: told as what it is, and nothing is done by it. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Redis } from "ioredis";
import type { Sql } from "postgres";
import { createShopEngine } from "../../../examples/shop/migrations.ts";
import * as orders from "../../../examples/shop/steps/000001_orders.ts";
import {
  type ApplyOptions,
  createEngine,
  MigrationError,
  RefusedError,
  RegistryError,
  transformRecords,
} from "../../../mod.ts";
import * as library from "../../../mod.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

/** The engine as JavaScript sees it. */
type Loose = Record<string, (...given: unknown[]) => Promise<unknown>>;
/** What makes engines, as JavaScript sees it. */
type Makers = Record<
  "createFleet" | "createOutpostEngine" | "createOutpostFleet",
  (given?: unknown) => unknown
>;

function shopOf(sql: Sql, redis: Redis) {
  const engine = createShopEngine(sql, redis);
  return { engine, loose: engine as unknown as Loose };
}

Deno.test("every method refuses options that are none, before it asks a store, and names them", async () => {
  await using postgres = await startPostgres();
  await using server = await startRedis();
  const redis = server.client();
  const { loose } = shopOf(postgres.client(await postgres.createDatabase()), redis);
  const mistakes: readonly (readonly [method: string, given: readonly unknown[], told: string])[] = [
    ["apply", [null], "Cannot use null for options"],
    ["plan", ["redis/1"], 'Cannot use "redis/1" for options'],
    ["plan", [{ ids: "redis/1" }], '"ids"'],
    ["plan", [{ signal: new AbortController() }], '"signal": this object is no AbortSignal'],
    ["plan", [{ saved: {} }], '"saved"'],
    ["list", [{ unlessHeld: "no" }], '"unlessHeld": "no" is no boolean'],
    ["status", [{ unlessHeld: 1 }], '"unlessHeld"'],
    ["apply", [{ waitMs: NaN }], '"waitMs": NaN'],
    ["apply", [{ waitMs: "5s" }], '"waitMs": "5s"'],
    ["apply", [{ skipInvalid: "false" }], '"skipInvalid": "false" is no boolean'],
    ["apply", [{ plan: {} }], '"plan"'],
    ["apply", [{ onEvent: "log" }], '"onEvent": "log" is no function'],
    ["apply", [{ batchSize: 1.5 }], '"batchSize"'],
    ["prepare", [{ maxRate: "5" }], '"maxRate": "5" is no number above zero'],
    ["abortPrepared", [{ waitMs: -1 }], '"waitMs"'],
    ["verify", [{ sample: Infinity }], '"sample"'],
    ["verify", [{ full: 1 }], '"full"'],
    ["planCleanup", [{ batchSize: 0 }], '"batchSize"'],
    ["planCleanup", [{ id: 2 }], '"id": 2 is no string'],
    ["planCleanup", [{ id: "redis/9" }], 'No migration is called "redis/9"'],
    ["assertCleanable", ["redis/1"], '"ids"'],
    ["assertCleanable", [["redis/9"]], 'No migration is called "redis/9"'],
    ["cleanup", [], "undefined is no ID"],
    ["cleanup", ["redis/2", { force: "yes" }], '"force"'],
    ["planResolve", ["redis/2", { keys: "cart:1" }], '"keys"'],
    ["resolveDifferences", ["redis/2", {}, "copy"], '"differences"'],
    ["resolveDifferences", ["redis/2", [], "Original"], '"keep": "Original" is no form'],
    ["planDown", [-1], "-1 is no whole number"],
    ["planDown", [1, { store: "mysql" }], '"store": "mysql"'],
    ["down", [], "undefined is no whole number"],
    ["down", ["1"], '"1" is no whole number'],
    ["down", [{ to: -1 }], "version -1 is no whole number"],
    ["down", [1, { from: "1" }], '"from"'],
    ["force", [1, { onWait: true }], '"onWait"'],
    ["init", [{ waitMs: null }], '"waitMs": null'],
    ["unlock", [{ force: 1 }], '"force"'],
  ];
  for (const [method, given, told] of mistakes) {
    const error = await assertRejects(async () => await loose[method]!(...given), Error, told);
    assertEquals(["RefusedError", "UnknownMigrationError"].includes(error.name), true, `${method}: ${error}`);
  }
  assertEquals(await redis.dbsize(), 0);
});

Deno.test("what a listener throws, or rejects with, ends the work in order and is what the caller gets", async () => {
  await using postgres = await startPostgres();
  await using server = await startRedis();
  const redis = server.client();
  const { engine } = shopOf(postgres.client(await postgres.createDatabase()), redis);
  for (let i = 0; i < 20; i++) await redis.hset(`user:${i}`, { email: `User${i}@Example.com` });
  const own = new Error("the log is full");
  for (const event of ["begin", "start", "statement", "progress", "done"]) {
    let calls = 0;
    const options = (fail: () => void | Promise<void>): ApplyOptions => ({
      onEvent: (told) => {
        if (told.event !== event) return;
        calls++;
        return fail();
      },
    });
    const thrown: Error = await assertRejects(() => engine.apply(options(() => fails(own))));
    assertEquals([thrown, calls], [own, 1], event);
    assertEquals(await engine.lockOwner(), null);
    const rejected: Error = await assertRejects(() => engine.apply(options(() => Promise.reject(own))));
    assertEquals(rejected, own, event);
    // What is recorded is true: an ordinary run does the rest.
    await engine.apply();
    assertEquals((await engine.verify({ full: true })).ok, true);
    await engine.down({ to: 0 });
    await redis.del("shop:migration:001_emails", "shop:migration:002_carts");
    for (let i = 0; i < 20; i++) await redis.hset(`user:${i}`, { email: `User${i}@Example.com` });
  }
  await redis.set("shop:lock", "somebody", "PX", 60_000);
  const waiting: Error = await assertRejects(() => engine.apply({ onWait: () => fails(own) }));
  assertEquals(waiting, own);
});

function fails(error: Error): never {
  throw error;
}

Deno.test("createEngine() refuses what is not what it needs, and names it", async () => {
  await using postgres = await startPostgres();
  await using server = await startRedis();
  const [sql, redis] = [postgres.client(await postgres.createDatabase()), server.client()];
  const change = transformRecords({
    pattern: "user:*",
    fields: ["email"],
    kindOf: () => "users",
    change: () => null,
    groupOf: (key) => key,
  });
  // deno-lint-ignore no-explicit-any -- What JavaScript may hand over.
  const options = (): any => ({
    registry: {
      postgres: { steps: [orders], directory: null, schemas: [[]] },
      clickhouse: { steps: [orders], directory: null, schemas: [[]] },
      redis: [{ name: "001_nothing", version: 1, description: "", change }],
    },
    names: {
      tool: "shop",
      postgres: { bookkeepingTable: "shop_version", historyTable: "shop_history", lockKey: () => 5n },
      clickhouse: { bookkeeping: "shop_version", history: "shop_history", prefix: "" },
      redis: {
        deployment: "",
        stateKey: (name: string) => `shop:migration:${name}`,
        olderStates: () => [],
        donePhases: [],
        usedPrefixes: ["user:"],
        isIgnored: () => false,
      },
      lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
    },
    postgres: { client: sql },
    redis,
    version: "1.0.0",
    owner: { host: "shop-1", pid: 1 },
  });
  type Options = ReturnType<typeof options>;
  const mistakes: readonly (readonly [(made: Options) => unknown, told: string])[] = [
    [(made) => delete made.registry, "its registry, undefined, is no object"],
    [(made) => delete made.version, "its version, undefined"],
    [(made) => made.owner = { host: "shop-1", pid: "1" }, 'its owner.pid, "1", is no whole number'],
    [(made) => delete made.names.lock.fence, "its names.lock.fence"],
    [(made) => made.names.lock.older = "old:lock", 'its names.lock.older, "old:lock", is no list'],
    [(made) => delete made.names.postgres.lockKey, "its names.postgres.lockKey"],
    [(made) => made.names.redis.usedPrefixes = [], "its names.redis.usedPrefixes"],
    [(made) => made.names.redis.stateKey = () => undefined, '"undefined" for "001_nothing"'],
    [(made) => made.postgres = sql, "Cannot use this function for options"],
    [(made) => made.postgres = { client: { query() {}, options: {} } }, "it is not what postgres() of"],
    [(made) => made.postgres.lockTimeoutMs = NaN, '"lockTimeoutMs": NaN'],
    [(made) => made.postgres.lockRetries = -1, '"lockRetries": -1'],
    [(made) => made.redis = null, "it is not one of ioredis"],
    [(made) => made.lockTtlMs = 2 ** 40, '"lockTtlMs"'],
    [(made) => made.deployment = 5, "its deployment, 5, is no string"],
    [
      (made) => made.clickhouse = { client: {}, identity: "ch" },
      "its clickhouse.client, this object, is no client",
    ],
    [
      (made) => made.clickhouse = null,
      "its clickhouse.client, undefined, is no client of @clickhouse/client",
    ],
    [(made) => delete made.registry.redis[0].change, "neither copyKeys() nor transformRecords()"],
    [(made) => delete made.registry.redis[0].name, "that of version 1 has no name"],
    [(made) => made.registry.postgres.steps = [{ step: orders.step }], "it exports no up or no down"],
  ];
  createEngine(options());
  for (const [mistake, told] of mistakes) {
    const made = options();
    mistake(made);
    assertThrows(() => createEngine(made), MigrationError, told);
  }
  const { createFleet, createOutpostEngine, createOutpostFleet } = library as unknown as Makers;
  assertThrows(() => createFleet(), RefusedError, "its deployments, undefined, is no list of objects");
  assertThrows(() => createOutpostEngine(), RefusedError, "Cannot use undefined for options");
  assertThrows(
    () => createOutpostFleet({ deploymentIds: "a" }),
    RefusedError,
    'its deploymentIds, "a", is no list',
  );
  for (const key of [5, 2n ** 64n]) {
    const made = options();
    made.names.postgres.lockKey = () => key;
    await assertRejects(() => createEngine(made).apply(), RegistryError, "no bigint of 64 bits");
  }
  assertEquals(await redis.dbsize(), 0);
});
