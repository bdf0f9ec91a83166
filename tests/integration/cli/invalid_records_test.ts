/** Records that cannot be converted, from the plan to the end: named beforehand, accepted, verified, repaired. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startRedis } from "../../support/redis.ts";
import { snapshot } from "../../support/redis_records.ts";

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
  // What one migration cannot convert, those after it leave alone too.
  const counts = plan.redis.map(({ estimated_items }: { estimated_items: number }) => estimated_items);
  assertEquals(counts, [13, 1, 1]);
  assertEquals(invalid[0].field, "created_at");
  assertEquals(/^tenant:bad\d\d$/.test(invalid[0].key), true);
  assertEquals(invalid[0].value.startsWith("next\\x1btuesday xxx"), true);
  assertEquals(invalid[0].value.length <= 203, true);
  const text = (await outpost("migrate plan")).stdout;
  assertStringIncludes(text, "12 records cannot be converted:\n! redis/002_timestamps tenant:bad");
  assertStringIncludes(text, "redis/002_timestamps: and 2 more");
  assertStringIncludes(text, "Next: outpost migrate apply --redis-only  when the records named are repaired");

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

Deno.test("where a plan is made, records that cannot be converted are named before anything is changed", async () => {
  await using redis = await startRedis();
  const client = redis.client();
  const folder = await Deno.makeTempDir({ prefix: "outpost-plan-" });
  await using _removed = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const file = `${folder}/the plan.json`;
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), NO_COLOR: "1" };
  const outpost = (line: string, answers?: readonly string[]) =>
    runInProcess([...line.split(" ").map((word) => word === "FILE" ? file : word), "--redis-only"], {
      env,
      columns: 400,
      ...(answers === undefined ? {} : { answers }),
    });
  const broken = (value: string) => client.hset("tenant:bad", { id: "bad", created_at: value });
  await seedLegacyTenant(client, "good", 1);
  await broken("yesterday");

  const planned = await outpost("migrate plan --out FILE");
  assertEquals(planned.code, 0);
  const next =
    `Next: outpost migrate apply --plan '${file}' --redis-only  when the records named are repaired`;
  assertStringIncludes(planned.stdout, next);
  const before = await snapshot(client);
  const named = 'redis/002_timestamps tenant:bad: created_at is "yesterday"';
  const same = `outpost migrate apply --plan '${file}' --yes`;

  // Nobody is asked: nothing is begun.
  const refused = await outpost("migrate apply --plan FILE --yes");
  assertEquals(refused.code, 1);
  assertStringIncludes(
    refused.stderr,
    "error: Nothing was changed, since one record cannot be converted [records_invalid]",
  );
  assertStringIncludes(refused.stderr, `  - ${named}`);
  assertStringIncludes(refused.stderr, `then run ${same} --redis-only: the plan stays good`);
  assertStringIncludes(refused.stderr, `${same} --skip-invalid --redis-only leaves it as it is`);
  const { ok, applied, failed, error } = JSON.parse(
    (await outpost("migrate apply --plan FILE --yes --json")).stdout,
  );
  assertEquals([ok, applied, failed, error.code], [false, [], [], "records_invalid"]);
  assertStringIncludes(error.message, named);

  // Somebody is asked: the question says so, below the names.
  const asked = await outpost("migrate apply", ["n"]);
  assertEquals(asked.code, 1);
  assertStringIncludes(asked.stdout, `1 record cannot be converted:\n! ${named}`);
  assertStringIncludes(asked.stderr, "/0, all but 1 record that cannot be converted? [y/N]");
  const leaving = await outpost("migrate apply --plan FILE --skip-invalid", ["n"]);
  assertStringIncludes(leaving.stderr, "/0, leaving as they are 1 record that cannot be converted? [y/N]");
  assertEquals(await snapshot(client), before);

  // A repair leaves the plan good, whatever it was repaired to.
  await broken("2024-01-15T10:30:00Z");
  assertEquals((await outpost("migrate apply --plan FILE --yes")).code, 0);
  assertEquals(await client.hget("tenant:{bad}:tenant", "created_at"), "1705314600000");
  assertEquals((await outpost("migrate verify --full")).code, 0);
  assertEquals((await outpost("migrate apply --plan FILE --yes")).code, 0);
});

for (const how of ["--yes", "--plan FILE --yes --skip-invalid"]) {
  Deno.test(`apply ${how} does all that can be done`, async () => {
    await using redis = await startRedis();
    const client = redis.client();
    const file = await Deno.makeTempFile({ prefix: "outpost-plan-" });
    await using _removed = { [Symbol.asyncDispose]: () => Deno.remove(file) };
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
    const outpost = (line: string) =>
      runInProcess([...line.replace("FILE", file).split(" "), "--redis-only"], { env });
    await seedLegacyTenant(client, "good");
    await client.hset("tenant:bad", { id: "bad", created_at: "yesterday" });
    await outpost("migrate plan --out FILE");
    const accepted = how.includes("--skip-invalid");
    const { code, stdout } = await outpost(`migrate apply ${how}`);
    assertEquals(code, accepted ? 0 : 1);
    assertEquals(await client.hget("tenant:{good}:tenant", "created_at"), "1705314600000");
    assertEquals(await client.hget("tenant:{bad}:tenant", "created_at"), "yesterday");
    assertStringIncludes(stdout, "tenant:{bad}:tenant: ");
    if (accepted) return assertEquals((await outpost("migrate verify --full")).code, 0);
    // Of the run that failed, the saved plan is good as well, and names what is there now.
    const again = await outpost("migrate apply --plan FILE --yes");
    assertStringIncludes(again.stderr, 'redis/002_timestamps tenant:{bad}:tenant: created_at is "yesterday"');
    await client.hset("tenant:{bad}:tenant", { created_at: "2024-01-15T10:30:00Z" });
    assertEquals((await outpost("migrate apply --plan FILE --yes")).code, 0);
    assertEquals((await outpost("migrate verify --full")).code, 0);
  });
}
