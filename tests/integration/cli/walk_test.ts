/**
 * Walks an old deployment through every command, in text and in JSON, and compares each output with a golden file.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type CliResult, runInProcess } from "../../support/cli.ts";
import { assertGolden, normalize } from "../../support/golden.ts";
import { seedLegacyTenant, seedVersion4 } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("every command writes what its golden file holds, in text and in JSON", async (t) => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const url = await postgres.createDatabase();
  const folder = await Deno.makeTempDir();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), POSTGRES_URL: url };
  const client = redis.client();

  const outpost = (line: string, answers?: readonly string[]): Promise<CliResult> =>
    runInProcess(line.split(" ").map((word) => word.replace("FOLDER", folder)), {
      env,
      ...(answers === undefined ? {} : { answers, columns: 120 }),
    });
  const golden = async (name: string, line: string, code: number, answers?: readonly string[]) => {
    await t.step(`outpost ${line}`, async () => {
      const result = await outpost(line, answers);
      const json = line.includes("--json");
      const text = [
        `$ outpost ${line}`,
        result.stdout.trimEnd(),
        ...(result.stderr === "" ? [] : ["--- stderr", result.stderr.trimEnd()]),
        `--- exit ${result.code}`,
        "",
      ].join("\n");
      await assertGolden(`${name}${json ? ".json" : ""}.txt`, normalize(text).replaceAll(folder, "FOLDER"));
      assertEquals(result.code, code);
      if (json) { for (const one of result.stdout.trim().split("\n")) JSON.parse(one); }
      if (json) assertEquals(result.stderr.includes("{"), false);
    });
  };

  await t.step("an old deployment is made", async () => {
    const { code, stderr } = await outpost("migrate apply sql/1 sql/2 sql/3 sql/4 --yes --sql-only");
    assertEquals(code, 0, stderr);
    await seedVersion4(postgres.client(url));
    await seedLegacyTenant(client, "acme");
  });

  await golden("list_pending", "migrate list", 0);
  await golden("list_pending", "migrate list --json", 0);
  await golden("status_pending", "migrate status", 0);
  await golden("status_pending", "migrate status --json", 0);
  await golden("plan", "migrate plan", 0);
  await golden("plan", "migrate plan --json", 0);
  await golden("plan_markdown", "migrate plan --markdown", 0);
  await t.step("outpost migrate plan --sql shows every statement in full", async () => {
    const json = JSON.parse((await outpost("migrate plan --json")).stdout);
    const lines = (await outpost("migrate plan --sql")).stdout.split("\n").map((line) => line.trim());
    for (const step of json.sql.steps) {
      const statements: string[] = step.statements;
      for (const line of statements.join(";\n").split("\n")) {
        assert(lines.includes(line.trim()) || lines.includes(`${line.trim()};`), `${step.id}: ${line}`);
      }
    }
  });
  await golden("plan_check", "migrate plan redis/1 --check", 1);
  await golden("plan_out", "migrate plan --redis-only --out FOLDER/plan.json", 0);
  await golden("verify_pending", "migrate verify", 1);
  await golden("verify_pending", "migrate verify --json", 1);
  await golden("init_current", "migrate init --current", 1);
  await golden("init_current", "migrate init --current --json", 1);
  await golden("serve_refused", "serve", 1);
  await golden("serve_refused", "serve --json", 1);
  await golden("apply_needs_yes", "migrate apply", 2);
  await golden("apply_needs_yes", "migrate apply --json", 2);
  await golden("apply_declined", "migrate apply --no-color", 1, ["n"]);
  await golden("apply_sql", "migrate apply --sql-only --yes", 0);
  await golden("plan_stale", "migrate apply --plan FOLDER/plan.json --yes", 5);
  await golden("apply", "migrate apply --yes --json", 0);
  await golden("apply_nothing", "migrate apply --yes", 0);
  await golden("apply_nothing", "migrate apply --yes --json", 0);
  await golden("list_applied", "migrate list", 0);
  await golden("list_applied", "migrate list --json", 0);
  await golden("status_applied", "migrate status", 0);
  await golden("status_applied", "migrate status --json", 0);
  await golden("plan_nothing", "migrate plan --check", 0);
  await golden("verify", "migrate verify --full", 0);
  await golden("verify", "migrate verify --full --json", 0);
  await golden("cleanup", "migrate cleanup --yes", 0);
  await golden("cleanup", "migrate cleanup --json --yes", 0);
  await golden("cleanup_sql", "migrate cleanup sql/5 --yes --json", 0);
  await golden("down", "migrate down 1 --yes", 0);
  await golden("down", "migrate down 1 --yes --json", 0);
  await golden("force", "migrate force 9 --yes", 0);
  await golden("force", "migrate force 8 --yes --json", 0);
  await golden("verify_fails", "migrate verify --sql-only", 1);
  await golden("unlock_nobody", "migrate unlock", 0);
  await golden("unlock_nobody", "migrate unlock --json", 0);

  await t.step("somebody else's lock is there", async () => {
    await client.set("outpost:migration:lock", "held by hand", "PX", 3_000_000);
  });
  await golden("locked", "migrate apply --yes --lock-wait 0", 3);
  await golden("locked", "migrate apply --yes --lock-wait 0 --json", 3);
  await golden("unlock", "migrate unlock --no-color", 0, ["y"]);
  await t.step(
    "the lock is gone",
    async () => assertEquals(await client.exists("outpost:migration:lock"), 0),
  );
  await golden("unknown", "migrate plan sql/99", 2);
  await golden("unknown", "migrate plan sql/99 --json", 2);

  await t.step("the saved plan is JSON with a format version", async () => {
    const plan = JSON.parse(await Deno.readTextFile(`${folder}/plan.json`));
    assertEquals([plan.format, plan.format_version], ["outpost-plan", 1]);
    assert(plan.plan.digest.length === 64);
  });
  await Deno.remove(folder, { recursive: true });
});
