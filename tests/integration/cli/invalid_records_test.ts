/** Records that cannot be converted, from the plan to the end: named beforehand, accepted, verified, repaired. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("records that cannot be converted are named in the plan, accepted once, and repaired one by one", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
  const outpost = (line: string) => runInProcess([...line.split(" "), "--redis-only"], { env });
  await seedLegacyTenant(client, "good");
  for (let i = 10; i < 22; i++) {
    await client.hset(`tenant:bad${i}`, { id: `bad${i}`, created_at: `next\x1btuesday ${"x".repeat(300)}` });
  }

  const plan = JSON.parse((await outpost("migrate plan --json")).stdout);
  const { invalid, scope } = plan.redis[1];
  assertEquals([invalid.length, scope.invalid], [10, 12]);
  assertEquals(invalid[0].field, "created_at");
  assertEquals(/^tenant:\{bad\d\d\}:tenant$/.test(invalid[0].key), true);
  assertEquals(invalid[0].value.startsWith("next\\x1btuesday xxx"), true);
  assertEquals(invalid[0].value.length <= 203, true);
  const text = (await outpost("migrate plan")).stdout;
  assertStringIncludes(text, "12 records cannot be converted: repair them, or accept them as they are with");
  assertStringIncludes(text, "and 2 more");

  // Without consent it ends as failed, and says the way out.
  const failed = await outpost("migrate apply --yes");
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "outpost migrate apply --skip-invalid");
  assertEquals((await outpost("migrate apply --yes --skip-invalid")).code, 0);
  assertEquals((await outpost("migrate plan --check")).code, 0);

  // What was accepted is no fault.
  const green = await outpost("migrate verify --full");
  assertEquals(green.code, 0, green.stdout);
  assertStringIncludes(green.stdout, "13 of 13 checks passed, of which 12 were accepted as they are");

  // Without the originals, a repair changes the one form that there is.
  const cleaned = await outpost("migrate cleanup --yes");
  assertEquals(cleaned.code, 0, cleaned.stdout + cleaned.stderr);

  // One was repaired: it is to be converted, and the command that verify names does that, however often.
  await client.hset("tenant:{bad10}:tenant", { created_at: "2024-01-15T10:30:00Z" });
  const red = await outpost("migrate verify --full");
  assertEquals(red.code, 1);
  const advice = /Next: outpost (migrate apply redis\/002_timestamps --rerun --skip-invalid)/.exec(red.stdout)
    ?.[1];
  for (let i = 0; i < 2; i++) assertEquals((await outpost(`${advice} --yes`)).code, 0);
  assertEquals(await client.hget("tenant:{bad10}:tenant", "created_at"), "1705314600000");
  assertEquals((await outpost("migrate verify --full")).code, 0);

  // One more than was accepted is a fault of later.
  await client.hset("tenant:{new}:tenant", { id: "new", entity: "tenant", created_at: "soon" });
  assertEquals((await outpost("migrate verify --full")).code, 1);
});
