import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createShopEngine } from "../../../examples/shop/migrations.ts";
import { ApplyError, PendingError, RefusedError } from "../../../mod.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually, meanwhile } from "../../support/server.ts";

const MAIN = new URL("../../../examples/shop/main.ts", import.meta.url);
const DAY_MS = 86_400_000;

/** Starts the shop, as its operator would. */
async function shop(args: readonly string[], env: Readonly<Record<string, string>>) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", MAIN.href, ...args],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("An application of its own, unrelated to Outpost", async (t) => {
  await using postgresServer = await startPostgres();
  await using redisServer = await startRedis();
  const url = await postgresServer.createDatabase();
  const sql = postgresServer.client(url);
  const redis = redisServer.client();
  const engine = createShopEngine(sql, redis);
  const env = { POSTGRES_URL: url, REDIS_URL: `redis://127.0.0.1:${redisServer.port}` };

  for (let i = 0; i < 50; i++) await redis.hset(`user:${i}`, { email: `User${i}@Example.com`, name: "Ada" });
  await redis.hset("user:lower", { email: "lower@example.com" });
  await redis.hset("user:broken", { email: "nobody" });
  for (let i = 0; i < 20; i++) await redis.rpush(`cart:${i}`, "apple", "pear");
  await redis.pexpire("cart:7", DAY_MS);
  await redis.set("cart:total", "20"); // No list: no cart.

  await t.step("assertCurrent() keeps it from starting while anything is pending", async () => {
    const error: PendingError = await assertRejects(() => engine.assertCurrent(), PendingError);
    assertEquals([error.sql, error.redis], [2, 2]);
    const { code, stderr } = await shop([], env);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "PendingError: Cannot start: 2 SQL and 2 Redis migrations are pending");
  });

  await t.step("plan() counts what its migrations would change, and writes nothing", async () => {
    const plan = await engine.plan();
    assertEquals(plan.postgres?.steps.map(({ id }) => id), ["sql/000001", "sql/000002"]);
    assertEquals(plan.redis.map(({ id, scope }) => [id, scope]), [
      ["redis/001_emails", { users: 50, invalid: 1 }],
      ["redis/002_carts", { carts: 20 }],
    ]);
    assertEquals((await shop(["plan"], env)).code, 0);
    assertEquals(await redis.dbsize(), 73);
    assertEquals(await tables(), []);
  });

  await t.step(
    "apply() names the record that cannot be converted, and finishes once it is repaired",
    async () => {
      const error: ApplyError = await assertRejects(() => engine.apply(), ApplyError);
      assertEquals(
        error.results.map(({ id, outcome, processed, failed }) => [id, outcome, processed, failed]),
        [
          ["sql/000001", "applied", 0, 0],
          ["sql/000002", "applied", 0, 0],
          ["redis/001_emails", "failed", 50, 1],
          ["redis/002_carts", "failed", 20, 1],
        ],
      );
      await redis.hset("user:broken", { email: "ZOË@example.com" });
      assertEquals((await shop(["migrate"], env)).code, 0);
      assertEquals((await shop([], env)).code, 0);
      assertEquals(await redis.hgetall("user:3"), { email: "user3@example.com", name: "Ada" });
      assertEquals(await redis.hget("user:broken", "email"), "zoë@example.com");
      assertEquals(await redis.lrange("shop:{3}:cart", 0, -1), ["apple", "pear"]);
      assert(await redis.pttl("shop:{7}:cart") > DAY_MS / 2);
    },
  );

  await t.step("verify() compares the records, and the schema with the one that was described", async () => {
    const verified = await engine.verify({ full: true });
    assertEquals([verified.ok, verified.postgres?.issues], [true, []]);
    assertEquals(verified.redis.map(({ checksRun }) => checksRun), [52, 20]);
    assertEquals((await shop(["verify"], env)).code, 0);
    await sql`ALTER TABLE orders ALTER COLUMN total DROP NOT NULL`;
    const { ok, postgres: schema } = await engine.verify();
    assertEquals([ok, schema?.issues.length], [false, 1]);
    assertEquals((await shop(["verify"], env)).code, 1);
    await sql`ALTER TABLE orders ALTER COLUMN total SET NOT NULL`;
  });

  await t.step("cleanup() deletes the originals alone", async () => {
    const [item] = (await engine.planCleanup()).items;
    assertEquals([item?.id, item?.count], ["redis/002_carts", 20]);
    const { deleted, kept } = await engine.cleanup("redis/2");
    assertEquals([deleted, kept], [20, 0]);
    assertEquals((await redis.keys("cart:*")).sort(), ["cart:total"]);
    await redis.rpush("cart:3", "apple", "pear"); // The old application again, as its copy is.
    assertEquals((await shop(["cleanup"], env)).code, 0);
    assertEquals((await redis.keys("cart:*")).sort(), ["cart:total"]);
  });

  await t.step("down() takes the last step back, and apply() does it again", async () => {
    await sql`INSERT INTO orders (id, total, note) VALUES ('o1', 3.5, 'gift')`;
    assertEquals((await engine.planDown(1)).warnings.length, 1);
    assertEquals(await engine.down(1), ["sql/000002"]);
    assertEquals((await engine.apply()).results.map(({ id }) => id), ["sql/000002"]);
    assertEquals([...await sql`SELECT id, note FROM orders`], [{ id: "o1", note: null }]);
  });

  await t.step("down() refuses where a newer release has been", async () => {
    await sql`UPDATE shop_version SET version = 9`;
    assertEquals((await engine.status()).postgres?.ahead, true);
    await assertRejects(() => engine.planDown(1), RefusedError, "is at version 9, and this program knows 2");
    await assertRejects(() => engine.down(1), RefusedError, "is at version 9, and this program knows 2");
    await sql`UPDATE shop_version SET version = 2`;
  });

  await t.step("the engine uses the names it was given, and knows nothing of Outpost", async () => {
    const sent: string[] = [];
    const monitor = await redisServer.client().monitor();
    monitor.on("monitor", (_time: string, args: string[]) => sent.push(args.join(" ").toLowerCase()));
    await redis.hset("user:late", { email: "Late@example.com" });
    await engine.down(1);
    const reader = await sql.reserve();
    await reader`BEGIN`;
    await reader`LOCK TABLE orders IN ACCESS SHARE MODE`; // Keeps the step waiting until its connection was seen.
    const applying = meanwhile(engine.apply());
    const called = await eventually(async () => {
      const rows = await sql<{ name: string }[]>`SELECT application_name AS name FROM pg_stat_activity
        WHERE datname = current_database() AND application_name <> 'postgres.js'`;
      if (rows.length === 0) throw new Error("The engine has no connection yet");
      return rows.map(({ name }) => name);
    });
    await reader`COMMIT`;
    reader.release();
    await applying;
    await engine.apply({ ids: ["redis/1", "redis/2"], rerun: true });
    await engine.verify({ full: true });
    await redis.echo("the end");
    await eventually(() => assert(sent.includes("echo the end")));
    monitor.disconnect();
    assert(
      sent.some((command) => command.includes("shop:lock")) && sent.some((c) => c.includes("shop:fence")),
    );
    assertEquals(sent.filter((command) => command.includes("outpost")), []);
    assert(called.every((name) => name.startsWith("shop")), called.join());
    assertEquals(await tables(), ["orders", "shop_migrations", "shop_version"]);
    const others = (await redis.keys("*")).filter((key) => !/^(user:|shop:|cart:total$)/.test(key));
    assertEquals(others, []);
  });

  async function tables(): Promise<string[]> {
    const rows = await sql<{ name: string }[]>`SELECT tablename AS name FROM pg_tables
      WHERE schemaname = 'public' ORDER BY 1`;
    return rows.map(({ name }) => name);
  }
});
