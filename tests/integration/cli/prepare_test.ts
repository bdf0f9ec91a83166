/** Preparing as an operator sees it: what it says, what status and plan say of it, and that apply then only switches. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type CliOptions, runInProcess } from "../../support/cli.ts";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("prepare, status, plan and apply tell one story", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 300, orphans: 5 }));
  const env = { POSTGRES_URL: url };
  const outpost = (line: string) => runInProcess(["migrate", ...line.split(" "), "--sql-only"], { env });
  const ok = async (line: string) => {
    const { code, stdout, stderr } = await outpost(line);
    assertEquals(code, 0, stdout + stderr);
    return stdout;
  };

  assertEquals(JSON.parse(await ok("prepare --abort --json")), { prepared: null, aborted: false });
  assertStringIncludes(
    await ok("prepare"),
    "Versions 5 to 10 are prepared: 605 rows were copied and compared",
  );
  const status = JSON.parse(await ok("status --json"));
  const { since, bytes, by, ...prepared } = status.sql.prepared;
  assertEquals(prepared, {
    versions: [5, 6, 7, 8, 9, 10],
    ready: true,
    phase: "ready",
    rows: 605,
    backlog: 0,
    problem: null,
  });
  assert(!isNaN(Date.parse(since)) && bytes > 0 && by !== "");
  assertEquals(status.pending.sql, 6);
  assertStringIncludes(
    await ok("status"),
    "Prepared    versions 5 to 10, ready, 605 rows copied, 0 writes to take in",
  );
  const plan = await ok("plan");
  assertStringIncludes(plan, "sql/000005 to sql/000010 are prepared");
  assertStringIncludes(
    plan.replaceAll(/\s+/g, " "),
    "Prepared: versions 5 to 10, ready, 605 rows copied, 0 writes to take in",
  );
  assertEquals(JSON.parse(await ok("plan --json")).sql.prepared, status.sql.prepared);
  assertEquals((await outpost("plan --check")).code, 1);
  assert(!(await ok("plan --sql")).includes("INSERT INTO outpost_prepared"));

  const sql = server.client(url, { max: 1 });
  await sql`DELETE FROM deliveries WHERE id = (SELECT min(id) FROM deliveries)`;
  assertStringIncludes((await ok("prepare")).replaceAll(/\s+/g, " "), "1 write since yet to take in");

  // Taken away, and prepared again, with nothing in the way.
  assertStringIncludes(await ok("prepare --abort"), "Took away what was prepared");
  assertEquals("prepared" in JSON.parse(await ok("status --json")).sql, false);
  await sql`CREATE VIEW mine AS SELECT data FROM events`;
  assertStringIncludes((await outpost("prepare")).stderr, "Cannot prepare, nothing was changed");
  await sql`DROP VIEW mine`;
  assertStringIncludes(await ok("plan"), "run in one rewrite");
  assertEquals(
    JSON.parse(await ok("prepare --json --max-rate 100000 --batch-size 100")).prepared.ready,
    true,
  );
  const down = await outpost("down 1 --yes");
  assertEquals(down.code, 2);
  assertStringIncludes(down.stderr, "outpost migrate prepare --abort");

  // A plan that was saved before is still what runs.
  const file = await Deno.makeTempFile();
  await ok(`plan --out ${file}`);
  await ok(`apply --yes --plan ${file}`);
  await Deno.remove(file);
  assertStringIncludes(await ok("verify"), "version 10 of 10");
  assertStringIncludes(await ok("prepare"), "Nothing to prepare");

  // From a version on whose rows are not written anew, there is nothing to do beforehand.
  await ok("down --to 9 --yes");
  const nothing = await outpost("prepare");
  assertEquals(nothing.code, 2);
  assertStringIncludes(nothing.stderr, "Cannot prepare");
  assertStringIncludes(nothing.stderr, "outpost migrate apply");
  await ok("apply --yes");
});

Deno.test("prepare says what has to be done before it, and what is left for it to do", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 3, () => Promise.resolve());
  const env = { POSTGRES_URL: url };
  const early = await runInProcess(["migrate", "prepare", "--sql-only"], { env });
  assertEquals(early.code, 2);
  assertStringIncludes(early.stderr, "outpost migrate apply sql/000004");
  for (const line of ["apply sql/000004 --yes", "prepare", "apply --yes", "verify"]) {
    const { code, stdout, stderr } = await runInProcess(["migrate", ...line.split(" "), "--sql-only"], {
      env,
    });
    assertEquals(code, 0, line + stdout + stderr);
  }

  await using redis = await startRedis();
  const redisOnly = (line: string) =>
    runInProcess(["migrate", ...line.split(" "), "--redis-only"], {
      env: { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) },
    });
  const elsewhere = await redisOnly("prepare");
  assertEquals(elsewhere.code, 2, elsewhere.stderr);
  assertStringIncludes(elsewhere.stderr, "outpost migrate apply");
  assertEquals((await redisOnly("apply --yes")).code, 0);
});

Deno.test("prepare works in a schema with a name that needs quotes", async () => {
  await using server = await startPostgres();
  const database = await server.createDatabase();
  await server.client(database, { max: 1 }).unsafe('CREATE SCHEMA "Out.post-1"');
  const url = `${database}?search_path=${encodeURIComponent('"Out.post-1"')}`;
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 100, orphans: 5 }));
  for (const line of ["prepare", "prepare --abort", "prepare", "status", "apply --yes", "verify"]) {
    const { code, stdout, stderr } = await runInProcess(["migrate", ...line.split(" "), "--sql-only"], {
      env: { POSTGRES_URL: url },
    });
    assertEquals(code, 0, line + stdout + stderr);
    if (line === "status") assertStringIncludes(stdout, "205 rows copied");
  }
});

Deno.test("prepare that was stopped says what stays, and plan calls it prepared in part alone", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 300, orphans: 5 }));
  const env = { POSTGRES_URL: url };
  const outpost = (line: string, more: CliOptions = {}) =>
    runInProcess(["migrate", ...line.split(" "), "--sql-only"], { env, ...more });
  const stop = new AbortController();
  const { code, stderr } = await outpost("prepare --max-rate 100 --batch-size 10", {
    stop: stop.signal,
    stoppedBy: "SIGINT",
    onStderr: (text) => text.includes("copying") && stop.abort(),
  });
  assertEquals(code, 130, stderr);
  assert(!stderr.includes("it was undone"), stderr);
  const plan = (await outpost("plan")).stdout.replaceAll(/\s+/g, " ");
  assertStringIncludes(
    plan,
    "are prepared in part: once that is finished, the new tables only change places",
  );
  assertStringIncludes(plan, "Finish it with outpost migrate prepare --sql-only");
  assertEquals((await outpost("prepare")).code, 0);
  assertEquals((await outpost("apply --yes")).code, 0);
});

Deno.test("apply --no-prepared takes away what is prepared and does all of the work", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 100, orphans: 5 }));
  const env = { POSTGRES_URL: url };
  const outpost = (line: string) => runInProcess(["migrate", ...line.split(" "), "--sql-only"], { env });
  assertEquals((await outpost("prepare")).code, 0);
  const sql = server.client(url, { max: 1 });
  await sql`ALTER TABLE events_default SET (fillfactor = 90)`;
  const refused = await outpost("apply --yes");
  assertEquals(refused.code, 1, refused.stderr);
  const { code, stdout, stderr } = await outpost("apply --yes --no-prepared");
  assertEquals(code, 0, stdout + stderr);
  assertEquals((await outpost("verify")).code, 0);
  const [left] = await sql`SELECT count(*)::int AS n FROM pg_class WHERE relname LIKE 'outpost\\_prepared%'`;
  assertEquals(left!.n, 0);
});

Deno.test("status and serve tell of what is prepared for steps that another tool has run since", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 100, orphans: 5 }));
  const env = { POSTGRES_URL: url };
  const outpost = (line: string) => runInProcess([...line.split(" "), "--sql-only"], { env });
  assertEquals((await outpost("migrate prepare")).code, 0);
  await server.client(url, { max: 1 })`UPDATE schema_migrations SET version = 10`; // As golang-migrate does.
  const status = await outpost("migrate status");
  assertStringIncludes(status.stdout, "Next: outpost migrate prepare --abort --sql-only");
  const warning =
    "What is prepared in Postgres is of no use: it is for version 4, and the database is at version 10";
  const serve = () => runInProcess(["serve", "--sql-only", "--", "true"], { env });
  const before = await serve();
  assertEquals(before.code, 0, before.stderr);
  assertStringIncludes(before.stderr, warning);
  assertEquals((await outpost("migrate prepare --abort")).code, 0);
  assert(!(await outpost("migrate status")).stdout.includes("--abort"));
  assert(!(await serve()).stderr.includes("prepared"));
});

Deno.test("plan leads through what is prepared in part, or of no use, to what can be applied", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 300, orphans: 5 }));
  const env = { POSTGRES_URL: url };
  const outpost = (line: string) => runInProcess([...line.split(" "), "--sql-only"], { env });
  const next = async (line: string) =>
    /Next: outpost (.+?) --sql-only/.exec((await outpost(line)).stdout)?.[1] ?? null;
  const stop = new AbortController();
  const { code } = await runInProcess(["migrate", "prepare", "--sql-only", "--max-rate", "10"], {
    env,
    stop: stop.signal,
    onStderr: () => stop.abort(),
  });
  assertEquals(code, 130);
  assertEquals(await next("migrate plan"), "migrate prepare");
  assertEquals(await next("migrate prepare"), "migrate apply");
  assertEquals(await next("migrate plan"), "migrate apply");
  await server.client(url, { max: 1 })`ALTER TABLE events ADD COLUMN mine int`;
  assertEquals(await next("migrate plan"), "migrate prepare --abort");
  assertEquals(await next("migrate prepare --abort"), "migrate status");
  assertEquals(await next("migrate prepare --abort"), "migrate status");
  assertEquals(await next("migrate plan"), "migrate apply");
  assertEquals((await outpost("migrate apply --yes")).code, 0);
  assertEquals(await next("migrate prepare"), "migrate status");
});
