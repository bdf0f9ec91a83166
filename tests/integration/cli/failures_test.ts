/**
 * What operators see when something is wrong, on real servers: code, exit status, what to do next.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually, freePort } from "../../support/server.ts";

const PASSWORD = "correct-horse-battery";

Deno.test(
  "outpost tells what is wrong and what to do",
  { sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    await using redis = await startRedis(["--requirepass", PASSWORD]);
    await using postgres = await startPostgres();
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), REDIS_PASSWORD: PASSWORD };
    const client = redis.client({ password: PASSWORD });
    const withDatabase = async () => {
      const url = await postgres.createDatabase();
      return { env: { ...env, POSTGRES_URL: url }, sql: postgres.client(url) };
    };
    const json = (text: string) => JSON.parse(text.trim().split("\n").at(-1)!);

    await t.step("a store that cannot be reached ends with 4 and says where it was looked for", async () => {
      const port = String(freePort());
      const noRedis = await runInProcess(["migrate", "status", "--redis-only"], {
        env: { ...env, REDIS_PORT: port },
      });
      assertEquals(noRedis.code, 4);
      assertStringIncludes(noRedis.stderr, "[store_unreachable]");
      assertStringIncludes(noRedis.stderr, `It was looked for at 127.0.0.1:${port} (REDIS_HOST)`);
      const url = `postgres://someone:${PASSWORD}@127.0.0.1:${port}/outpost`;
      const noPostgres = await runInProcess(["migrate", "apply", "--yes", "--json", "--postgres-url", url], {
        env,
      });
      assertEquals([noPostgres.code, json(noPostgres.stdout).error.code], [4, "store_unreachable"]);
      assertStringIncludes(json(noPostgres.stdout).error.hint, `127.0.0.1:${port}/outpost (--postgres-url)`);
      assert(![noRedis, noPostgres].some(({ stdout, stderr }) => (stdout + stderr).includes(PASSWORD)));
    });

    await t.step("the line that comes next leads to the stores that the flags named", async () => {
      const { env: elsewhere } = await withDatabase();
      const url = await postgres.createDatabase();
      const words = ["migrate", "list", "--redis-database", "3", "--postgres-url", url];
      const { stdout } = await runInProcess(words, { env: elsewhere });
      const next = /Next: outpost (.+?) {2}/.exec(stdout)![1]!;
      assertEquals(next, `migrate plan --redis-database 3 --postgres-url ${url}`);
      const plan = await runInProcess([...next.split(" "), "--json"], { env: elsewhere });
      assertEquals(plan.code, 0, plan.stderr);
      const [, database] = /([^/]+)$/.exec(url)!;
      assertEquals(
        json(plan.stdout).stores.map(({ database }: { database: string }) => database).sort(),
        ["3", database].sort(),
      );
      const secret = ["--redis-password", PASSWORD, "--postgres-url", url.replace("@", `:${PASSWORD}@`)];
      const hidden = await runInProcess(["migrate", "list", ...secret], { env: elsewhere });
      assertStringIncludes(
        hidden.stdout,
        `Next: outpost migrate plan --redis-password '[hidden]' --postgres-url '${
          url.replace("@", ":[hidden]@")
        }'`,
      );
      assert(!(hidden.stdout + hidden.stderr).includes(PASSWORD));
    });

    await t.step("wrong credentials end with 4 and are not shown", async () => {
      const { code, stdout, stderr } = await runInProcess(["migrate", "list", "--redis-only", "--json"], {
        env: { ...env, REDIS_PASSWORD: "not-the-password" },
      });
      assertEquals([code, json(stdout).error.code, stderr], [4, "store_denied", ""]);
      assert(!stdout.includes("not-the-password"));
    });

    await t.step(
      "records that cannot be converted end with 1 and are named; --skip-invalid accepts them",
      async () => {
        await seedLegacyTenant(client, "good");
        await client.hset("tenant:bad", { id: "bad", created_at: "next tuesday" });
        const failed = await runInProcess(["migrate", "apply", "--yes", "--redis-only"], { env });
        assertEquals(failed.code, 1, failed.stderr);
        assertStringIncludes(failed.stderr, "[apply_failed]");
        assertStringIncludes(failed.stdout, "tenant:{bad}:tenant");
        assertStringIncludes(failed.stdout, "redis/002_timestamps could not do it");
        assertEquals(await client.hget("tenant:{good}:tenant", "created_at"), "1705314600000");
        const status = await runInProcess(["migrate", "list", "--redis-only", "--json"], { env });
        assertEquals(
          json(status.stdout).migrations.slice(0, 3).map((one: { status: string }) => one.status),
          [
            "applied",
            "failed",
            "failed",
          ],
        );
        const summary = await runInProcess(["migrate", "apply", "--yes", "--redis-only", "--json"], { env });
        assertEquals([summary.code, json(summary.stdout).ok, json(summary.stdout).failed], [1, false, [
          "redis/002_timestamps",
          "redis/003_entity",
        ]]);
        const skipped = await runInProcess(["migrate", "apply", "--yes", "--redis-only", "--skip-invalid"], {
          env,
        });
        assertEquals(skipped.code, 0, skipped.stderr);
        assertEquals(await client.hget("tenant:{bad}:tenant", "created_at"), "next tuesday");
      },
    );

    await t.step(
      "a server that is out of memory stops the run, and says so; the next one goes on",
      async () => {
        await using full = await startRedis();
        const client = full.client();
        for (let i = 0; i < 600; i++) {
          await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: "2024-01-15T10:30:00Z" });
        }
        const settings = { env: { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(full.port) } };
        const apply = ["migrate", "apply", "--yes", "--redis-only"];
        const stopped = runInProcess([...apply, "--max-rate", "200"], settings);
        await eventually(async () =>
          assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "running")
        );
        await client.config("SET", "maxmemory", "1");
        const { code, stderr } = await stopped;
        assertEquals(code, 1);
        assertStringIncludes(stderr, "redis/001_hash_tags was stopped: The server answered OOM");
        assertStringIncludes(stderr, "what is done stays done");
        await client.config("SET", "maxmemory", "0");
        const { code: after } = await runInProcess(apply, settings);
        assertEquals([after, await client.hget("tenant:{t599}:tenant", "created_at")], [0, "1705314600000"]);
      },
    );

    await t.step("--rerun runs a named Redis migration again, and refuses a SQL step", async () => {
      const again = await runInProcess(
        ["migrate", "apply", "redis/3", "--rerun", "--yes", "--redis-only", "--json"],
        { env },
      );
      assertEquals([again.code, json(again.stdout).applied], [0, ["redis/003_entity"]]);
      const database = await withDatabase();
      const refused = await runInProcess(
        ["migrate", "apply", "sql/1", "--rerun", "--yes", "--json"],
        database,
      );
      assertEquals([refused.code, json(refused.stdout).error.code], [2, "usage"]);
    });

    await t.step(
      "a step that fails ends with 1, shows the server's reason, and leaves nothing behind",
      async () => {
        const { env, sql } = await withDatabase();
        await sql`create table deliveries (something text)`;
        const { code, stdout, stderr } = await runInProcess(["migrate", "apply", "--yes", "--sql-only"], {
          env,
        });
        assertEquals(code, 1);
        assertStringIncludes(stderr, "[step_failed]");
        assertStringIncludes(stderr, "sql/000001");
        assertStringIncludes(stderr, "server code: 42P07");
        assertStringIncludes(stdout, "sql/000002  not run");
        assertEquals(
          (stdout + stderr).split('relation "deliveries" already exists').length,
          2,
          "the reason is told once",
        );
        assertEquals((await sql`select to_regclass('events') as found`)[0]!.found, null);
      },
    );

    await t.step("a statement that fails is shown with its place and a caret", async () => {
      const { env, sql } = await withDatabase();
      await runInProcess(["migrate", "apply", "sql/1", "sql/2", "sql/3", "sql/4", "--yes", "--sql-only"], {
        env,
      });
      await sql`alter table events rename column metadata to extra`;
      const { code, stderr } = await runInProcess(["migrate", "apply", "--yes", "--sql-only"], { env });
      assertEquals(code, 1);
      assertStringIncludes(stderr, "server code: 42703");
      assert(/in sql\/000005, line \d+, column \d+:\n.*e\.metadata.*\n +\^\n/.test(stderr), stderr);
    });

    await t.step(
      "--log-format json tells errors and events one a line, --quiet tells nothing but errors",
      async () => {
        const { env } = await withDatabase();
        const apply = ["migrate", "apply", "sql/1", "--yes", "--sql-only"];
        const events = (await runInProcess([...apply, "--log-format", "json", "--verbose"], { env })).stderr
          .trim()
          .split("\n").map((line) => JSON.parse(line));
        assertEquals(events.map(({ level, event, migration }) => [level, event, migration]), [
          ["info", "begin", undefined],
          ["debug", "start", "sql/000001"],
          ["info", "applied", "sql/000001"],
        ]);
        const failed = await runInProcess([
          "migrate",
          "apply",
          "sql/9",
          "--yes",
          "--sql-only",
          "--log-format",
          "json",
        ], {
          env,
        });
        const error = JSON.parse(failed.stderr);
        assertEquals([failed.code, error.level, error.code], [2, "error", "refused"]);
        const quiet = await runInProcess(["migrate", "apply", "sql/2", "--yes", "--sql-only", "--quiet"], {
          env,
        });
        assertEquals([quiet.code, quiet.stderr], [0, ""]);
        const all = await runInProcess(["migrate", "apply", "--all", "--yes", "--sql-only", "--quiet"], {
          env,
        });
        assertEquals(all.code, 0, all.stderr);
      },
    );

    await t.step("names in the stores cannot steer the terminal", async () => {
      await seedLegacyTenant(client, "x\x1b[2J\x07\r");
      const { stdout } = await runInProcess(["migrate", "plan", "redis/1", "--redis-only"], { env });
      for (const control of ["\x07", "\r", "\x1b"]) assert(!stdout.includes(control), stdout);
      await client.del("tenant:x\x1b[2J\x07\r");
    });

    await t.step("init marks a fresh Redis once, and takes a used one as it is", async () => {
      const init = (...more: string[]) =>
        runInProcess(["migrate", "init", "--redis-only", "--redis-database", "5", ...more], { env });
      const fresh = await init("--current", "--json");
      assertEquals([fresh.code, json(fresh.stdout)], [0, { redis: "marked", pending: { sql: 0, redis: 0 } }]);
      const used = await init();
      assertEquals(used.code, 0);
      assertStringIncludes(used.stdout, "Redis is in use: nothing was changed.");
      await redis.client({ password: PASSWORD, db: 12 }).set("outpost:schema:version", "1");
      const adopted = await init("--redis-database", "12");
      assertStringIncludes(adopted.stdout, "Redis is in use: what was known of its migrations is recorded,");
      assertStringIncludes(used.stdout, "Nothing is pending.");
    });

    await t.step("cleanup keeps what is not proven to be copied, says so, and ends with 1", async () => {
      const other = redis.client({ password: PASSWORD, db: 6 });
      await seedLegacyTenant(other, "same");
      await seedLegacyTenant(other, "changed");
      const outpost = (line: string) =>
        runInProcess([...line.split(" "), "--redis-only", "--redis-database", "6"], { env });
      assertEquals((await outpost("migrate apply --yes --quiet")).code, 0);
      await other.hset("tenant:changed", "metadata", "written by an old server");
      const refused = await outpost("migrate cleanup redis/1 --yes --json");
      const forced = await outpost("migrate cleanup redis/1 --yes --force --json");
      assertEquals([forced.code, json(forced.stdout).deleted, json(forced.stdout).kept], [1, 1, 1]);
      assertStringIncludes(json(forced.stdout).issues[0], "tenant:changed");
      assertEquals([refused.code, json(refused.stdout).error.code], [1, "not_verified"]);
      assertEquals(await other.hget("tenant:changed", "metadata"), "written by an old server");
      assertEquals(await other.exists("tenant:same"), 0);
    });

    await t.step("a dirty database is refused with the way out", async () => {
      const { env, sql } = await withDatabase();
      await runInProcess(["migrate", "apply", "sql/1", "sql/2", "--yes", "--sql-only"], { env });
      await sql`update schema_migrations set dirty = true`;
      const { code, stderr } = await runInProcess(["migrate", "apply", "--yes", "--sql-only"], { env });
      assertEquals(code, 1);
      assertStringIncludes(stderr, "[dirty]");
      assertStringIncludes(stderr, "outpost migrate force 2");
      const serve = await runInProcess(["serve", "--sql-only", "--json", "--", "true"], { env });
      assertEquals([serve.code, json(serve.stdout).error.code], [1, "pending"]);
      const status = await runInProcess(["migrate", "status", "--sql-only"], { env });
      assertStringIncludes(status.stdout, "Do not deploy: another tool failed in the middle of a SQL step.");
      const forced = await runInProcess(["migrate", "force", "sql/2", "--yes", "--sql-only"], { env });
      assertEquals(forced.code, 0, forced.stderr);
      assertEquals([...await sql`select version::int, dirty from schema_migrations`], [{
        version: 2,
        dirty: false,
      }]);
      const unknown = await runInProcess(["migrate", "force", "99", "--yes", "--sql-only", "--json"], {
        env,
      });
      assertEquals([unknown.code, json(unknown.stdout).error.code], [2, "refused"]);
    });

    await t.step(
      "a database ahead of the program is left alone, and serve starts with a warning",
      async () => {
        const { env, sql } = await withDatabase();
        await runInProcess(["migrate", "apply", "--yes", "--sql-only"], { env });
        await sql`update schema_migrations set version = 99`;
        assertEquals((await runInProcess(["migrate", "apply", "--yes", "--sql-only"], { env })).code, 0);
        assertEquals([...await sql`select version::int from schema_migrations`], [{ version: 99 }]);
        const serve = await runInProcess(["serve", "--sql-only", "--", "true"], { env });
        assertEquals(serve.code, 0, serve.stderr);
        assertStringIncludes(
          serve.stderr,
          "warning: Postgres is at version 99, ahead of the 10 that this program knows",
        );
        const status = await runInProcess(["migrate", "status", "--sql-only", "--json"], { env });
        assertEquals(json(status.stdout).sql.ahead, true);
        // Whoever is shown it may know that no release ran those steps; a script does not.
        const refused = await runInProcess(["migrate", "force", "10", "--yes", "--sql-only"], { env });
        assertEquals(refused.code, 2);
        assertStringIncludes(refused.stderr, "at version 99, and this program knows 10 [refused]");
        const force = ["migrate", "force", "10", "--sql-only"];
        const agreed = await runInProcess(force, { env, answers: ["y"], columns: 300 });
        assertEquals(agreed.code, 0, agreed.stderr);
        assertStringIncludes(
          agreed.stdout,
          "at version 99 of 10: the release that knows it would run 11 to 99 again",
        );
        assertEquals([...await sql`select version::int from schema_migrations`], [{ version: 10 }]);
      },
    );

    await t.step("a predecessor that is pending is named", async () => {
      const { env } = await withDatabase();
      const { code, stderr } = await runInProcess(["migrate", "apply", "sql/3", "--yes", "--sql-only"], {
        env,
      });
      assertEquals(code, 2);
      assertStringIncludes(stderr, "sql/000001, sql/000002 must come first [refused]");
    });

    await t.step("a second run waits and names whom it waits for, or fails at once with 3", async () => {
      for (let i = 0; i < 60; i++) await client.hset(`tenant:{w${i}}:tenant`, { id: `w${i}` });
      const slow = ["migrate", "apply", "redis/3", "--rerun", "--yes", "--redis-only", "--json"];
      const { promise: begun, resolve } = Promise.withResolvers<void>();
      const first = runInProcess([...slow, "--max-rate", "12", "--batch-size", "4", "--lock-ttl", "2s"], {
        env,
        onStdout: (text) => text.includes('"progress"') && resolve(),
      });
      await begun;
      const refused = await runInProcess([...slow.slice(0, -1), "--lock-wait", "0"], { env });
      assertEquals(refused.code, 3);
      assertStringIncludes(refused.stderr, "test-host");
      assertStringIncludes(refused.stderr, "[lock_held]");
      const list = await runInProcess(["migrate", "list", "--redis-only", "--json"], { env });
      assertEquals(json(list.stdout).migrations[2].status, "running");
      await eventually(async () => {
        const { stdout } = await runInProcess(["migrate", "status", "--redis-only", "--json"], { env });
        const { lock } = json(stdout);
        const seen = [lock.held, lock.command, lock.migration, lock.alive];
        assertEquals(seen, [true, "apply", "redis/003_entity", true]);
      });
      const alive = await runInProcess(["migrate", "unlock", "--yes"], { env });
      assertEquals(alive.code, 3);
      assertStringIncludes(alive.stderr, "outpost migrate unlock --force");
      const second = await runInProcess([...slow, "--lock-wait", "1m"], { env });
      assertEquals([(await first).code, second.code], [0, 0]);
      assertStringIncludes(second.stderr, "Waiting for the lock of test-host (pid 4711");
    });

    await t.step("a lock taken away in the middle ends with 3, and nothing is written after", async () => {
      const { promise: begun, resolve } = Promise.withResolvers<void>();
      const run = runInProcess(
        [..."migrate apply redis/3 --rerun --yes --redis-only --json --max-rate 20 --batch-size 5".split(
          " ",
        )],
        { env, onStdout: (text) => text.includes('"progress"') && resolve() },
      );
      await begun;
      assertEquals((await runInProcess(["migrate", "unlock", "--force", "--yes"], { env })).code, 0);
      const { code, stdout } = await run;
      assertEquals([code, json(stdout).error.code], [3, "lock_lost"]);
    });

    await t.step(
      "a saved plan is applied exactly, has nothing left to do when it was used before, and is refused when anything else moved",
      async () => {
        const { env } = await withDatabase();
        const file = await Deno.makeTempFile({ suffix: ".json" });
        const planned = await runInProcess(["migrate", "plan", "sql/1", "--sql-only", "--out", file], {
          env,
        });
        assertStringIncludes(planned.stdout, `Next: outpost migrate apply --plan ${file}`);
        const edited = `${file}.edited`;
        await Deno.writeTextFile(
          edited,
          (await Deno.readTextFile(file)).replace('"sql/000001"\n', '"sql/000002"\n'),
        );
        const apply = (path: string) =>
          runInProcess(["migrate", "apply", "--plan", path, "--yes", "--sql-only", "--json"], { env });
        const tampered = await apply(edited);
        assertEquals([tampered.code, json(tampered.stdout).error.code], [5, "plan_stale"]);
        const applied = await apply(file);
        assertEquals([applied.code, json(applied.stdout).applied], [0, ["sql/000001"]]);
        const again = await apply(file);
        assertEquals([again.code, json(again.stdout).ok, json(again.stdout).applied], [0, true, []]);
        await runInProcess(["migrate", "apply", "sql/2", "--yes", "--sql-only"], { env });
        const stale = await apply(file);
        assertEquals([stale.code, json(stale.stdout).error.code], [5, "plan_stale"]);
        assertStringIncludes(json(stale.stdout).error.message, "sql/000002 was pending and is applied");
        await runInProcess(["migrate", "plan", "sql/3", "--sql-only", "--out", file], { env });
        const some = await runInProcess(["migrate", "apply", "--plan", file, "--yes", "--sql-only"], { env });
        assertStringIncludes(some.stdout, "Next: outpost migrate status --sql-only  what is left");
        await runInProcess(["migrate", "plan", "--sql-only", "--out", file], { env });
        const all = await runInProcess(["migrate", "apply", "--plan", file, "--yes", "--sql-only"], { env });
        assertStringIncludes(all.stdout, "Next: outpost migrate verify --sql-only  prove it");
        await Deno.remove(file);
        await Deno.remove(edited);
      },
    );

    await t.step("no command prints the password, nor writes it into a file", async () => {
      const { env } = await withDatabase();
      const folder = await Deno.makeTempDir();
      const files = ["--out", `${folder}/plan.json`, "--html", `${folder}/plan.html`];
      const commands: readonly (readonly string[])[] = [
        ["config"],
        ["migrate", "status"],
        ["migrate", "list"],
        ["migrate", "plan", ...files],
        ["migrate", "apply", "--yes"],
        ["migrate", "verify"],
        ["migrate", "cleanup", "--yes"],
        ["migrate", "down", "1", "--yes"],
        ["migrate", "init"],
        ["migrate", "unlock"],
        ["serve"],
      ];
      for (const command of commands) {
        for (const more of [[], ["--json"], ["--verbose", "--log-format", "json"]]) {
          const { stdout, stderr } = await runInProcess([...command, ...more], { env });
          assert(!(stdout + stderr).includes(PASSWORD), `${command.join(" ")}: ${stdout}${stderr}`);
        }
      }
      for await (const { name } of Deno.readDir(folder)) {
        assert(!(await Deno.readTextFile(`${folder}/${name}`)).includes(PASSWORD), name);
      }
      await Deno.remove(folder, { recursive: true });
    });

    await t.step("pages are written where they were asked for", async () => {
      const { env } = await withDatabase();
      const folder = await Deno.makeTempDir();
      await runInProcess(["migrate", "plan", "--html", `${folder}/plan.html`], { env });
      const verify = await runInProcess([
        "migrate",
        "verify",
        "--sql-only",
        "--html",
        `${folder}/verify.html`,
      ], { env });
      assertEquals(verify.code, 1);
      assertStringIncludes(verify.stdout, `Written as a page to ${folder}/verify.html.`);
      assertStringIncludes(verify.stdout.trim().split("\n").at(-1)!, "Next: outpost migrate ");
      assertStringIncludes(
        await Deno.readTextFile(`${folder}/plan.html`),
        "<h3>sql/000010 rename_attempts_pkey</h3>",
      );
      assertStringIncludes(await Deno.readTextFile(`${folder}/verify.html`), "Not verified");
      const nowhere = await runInProcess(["migrate", "plan", "--html", `${folder}/no/plan.html`, "--json"], {
        env,
      });
      assertEquals([nowhere.code, json(nowhere.stdout).error.code], [2, "file_invalid"]);
      await Deno.remove(folder, { recursive: true });
    });
  },
);
