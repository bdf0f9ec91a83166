import { assertEquals, assertGreater, assertMatch, assertRejects } from "@std/assert";
import { emails } from "../../../examples/shop/redis/001_emails.ts";
import { carts } from "../../../examples/shop/redis/002_carts.ts";
import {
  copyKeys,
  createEngine,
  createRegistry,
  type Names,
  type RedisMigration,
  transformRecords,
} from "../../../mod.ts";
import { BrokenPromiseError, type CheckOptions, checkRedisMigrations } from "../../../testing/mod.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";

const names: Names = {
  tool: "shop",
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

/** What to check, over the shop's data. */
function check(server: RedisServer, redis: readonly RedisMigration[], more: Partial<CheckOptions> = {}) {
  const client = server.client();
  return checkRedisMigrations({
    redis: client,
    engine: (own) =>
      createEngine({
        registry: createRegistry({ redis }),
        names,
        redis: own,
        version: "test",
        owner: { host: "test", pid: Deno.pid },
      }),
    async seed() {
      for (let i = 0; i < 20; i++) {
        await client.hset(`user:${i}`, { email: `User${i}@Example.com`, name: "Ada" });
        await client.rpush(`cart:${i}`, "apple", `pear ${i}`);
      }
      await client.pexpireat("user:3", 4_102_444_800_000);
      await client.pexpireat("cart:3", 4_102_444_800_000);
      await client.hset("user:settings", { email: "Nobody@Example.com" });
      await client.set("cart:total", "20");
    },
    interruptions: 5,
    ...more,
  });
}

Deno.test("checkRedisMigrations() finds nothing in migrations that keep their promises", async () => {
  await using server = await startRedis();
  const writer = server.client();
  const written = new Map<string, string>();
  const report = await check(server, [emails, carts], {
    foreign: ["cart:total"],
    writer: {
      async write(turn) {
        const key = `user:${turn % 20}`;
        await writer.hset(key, "name", `Name ${turn}`);
        written.set(key, `Name ${turn}`);
      },
      async check() {
        for (const [key, name] of written) assertEquals(await writer.hget(key, "name"), name);
      },
    },
  });
  assertEquals(report.interrupted, 5);
  assertEquals(report.changed, 21 + 20 + 20, "addresses, and carts under two names, the old ones cleaned up");
  assertGreater(report.commands, 10);
  assertGreater(written.size, 0);
  assertEquals(await writer.dbsize(), 0, "it leaves nothing behind");
});

/** A change in place, called as a migration of its own. */
function inPlace(change: (email: string) => string | null): RedisMigration {
  return {
    name: "001_broken",
    version: 1,
    description: "Breaks a promise",
    change: transformRecords({
      pattern: "user:*",
      fields: ["email"],
      kindOf: (key) => key.startsWith("user:") ? "users" : null,
      change(_kind, [email]) {
        const changed = email ? change(email) : null;
        return changed === null ? null : ["email", changed];
      },
      groupOf: (key) => key,
    }),
  };
}

const BROKEN: readonly {
  readonly fault: string;
  readonly migration: RedisMigration;
  readonly foreign?: readonly string[];
  readonly find: RegExp;
}[] = [
  {
    fault: "a change that changes its own result",
    migration: inPlace((email) => `${email}!`),
    find: /would change again what it made/,
  },
  {
    fault: "a change of a foreign record",
    migration: inPlace((email) => email === email.toLowerCase() ? null : email.toLowerCase()),
    foreign: ["user:settings"],
    find: /Foreign keys stay as they are: "user:settings" was/,
  },
  {
    fault: "a change that depends on when it runs",
    migration: inPlace((email) => email.includes("#") ? null : `${email}#${Math.random()}`),
    find: /interrupted before its command \d+ and run again ends as one that was not/,
  },
  {
    fault: "two originals with one copy",
    migration: {
      name: "001_broken",
      version: 1,
      description: "Breaks a promise",
      change: copyKeys({
        pattern: "cart:*",
        judge: (_key, { type }) => type === "list" ? { target: "shop:cart", kind: "carts" } : null,
        groupOf: (key) => key,
      }),
    },
    find: /shop:cart/,
  },
];

Deno.test("checkRedisMigrations() names the promise that a migration breaks", async (t) => {
  await using server = await startRedis();
  for (const { fault, migration, foreign = [], find } of BROKEN) {
    await t.step(fault, async () => {
      const error = await assertRejects(() => check(server, [migration], { foreign }));
      assertMatch(String(error), find);
      assertEquals(await server.client().dbsize(), 0);
    });
  }
  await t.step("a write that is lost", async () => {
    const error: BrokenPromiseError = await assertRejects(
      () =>
        check(server, [emails], {
          writer: {
            write: () => Promise.resolve(),
            check: () => Promise.reject(new Error("user:1 is not Ada's")),
          },
        }),
      BrokenPromiseError,
      "No write of the application is lost",
    );
    assertEquals(error.finds, ["Error: user:1 is not Ada's"]);
  });
});

Deno.test("checkRedisMigrations() refuses a database that is in use, and a seed that makes nothing", async () => {
  await using server = await startRedis();
  await assertRejects(
    () => check(server, [emails], { seed: () => Promise.resolve() }),
    TypeError,
    "the seed wrote no record",
  );
  await server.client().set("precious", "1");
  await assertRejects(() => check(server, [emails]), TypeError, "not empty");
  assertEquals(await server.client().get("precious"), "1");
});
