/** Commands for several deployments in one Redis: who is meant, what each is told, and the exit status of all. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { type CliResult, NO_SETTINGS, runInProcess, spawnCli } from "../../support/cli.ts";
import { seedVersion4 } from "../../support/outpost_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { startPostgres } from "../../support/postgres.ts";
import { allKeys, getHash, putHash, tenantFields, utf8 } from "../../support/redis_records.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const ALL = "--all-deployments";

/** @param ids Deployments that all its commands are for. */
function program(
  { host, port }: Pick<RedisServer, "host" | "port">,
  more: Record<string, string> = {},
  ids: readonly string[] = [],
) {
  const env = { REDIS_HOST: host, REDIS_PORT: String(port), MIGRATE_ONLY: "redis", ...more };
  const flags = ids.flatMap((id) => ["--deployment-id", id]);
  const run = (words: string, options: Parameters<typeof runInProcess>[1] = {}) =>
    runInProcess(["migrate", ...words.split(" "), ...flags], { env, ...options });
  const json = async (words: string) => {
    const { code, stdout } = await run(`${words} --json`);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    return { code, lines, told: lines.at(-1) };
  };
  return { run, json };
}

/** Four deployments: two that can be done, one locked by another tool, one with a record that cannot be converted. */
async function seed(redis: Redis): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await putHash(redis, `tenant:t${i}`, tenantFields(`t${i}`));
    for (const id of ["a", "held", "odd"]) {
      await putHash(redis, `${id}:tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
    }
  }
  await putHash(redis, "odd:tenant:{x}:tenant", { id: "x", created_at: "yesterday" });
  await putHash(redis, "tenant-cache:tenant:{x}:tenant", { name: "somebody else's" });
  await redis.set("held:outpost:migration:lock", "another tool", "EX", 3600);
}

const ids = (told: { deployments: { deployment_id: string }[] }) =>
  told.deployments.map(({ deployment_id }) => deployment_id);

Deno.test("migrate apply --all-deployments does what it can, and says what became of each", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await seed(redis);
  const { json, run } = program(server);
  const list = await json(`list ${ALL}`);
  assertEquals([list.code, ids(list.told), list.told.shared], [0, ["", "a", "held", "odd"], null]);
  assertEquals((await run(`plan ${ALL} --check`)).code, 1);
  const { code, told, lines } = await json(`apply ${ALL} --yes --lock-wait 0`);
  assertEquals([code, told.event, told.ok], [1, "summary", false]);
  assertEquals(
    told.deployments.map((one: { deployment_id: string; applied?: string[]; error?: { code: string } }) => [
      one.deployment_id,
      one.error?.code ?? one.applied?.length,
    ]),
    [["", 3], ["a", 2], ["held", "lock_held"], ["odd", "apply_failed"]],
  );
  assert(lines.some(({ event, deployment_id }) => event === "done" && deployment_id === "a"));
  assertEquals(await getHash(redis, "tenant-cache:tenant:{x}:tenant"), { name: "somebody else's" });
  const status = await json(`status ${ALL}`);
  assertEquals(status.told.deployments.map((one: { pending: { redis: number } }) => one.pending.redis), [
    0,
    0,
    2,
    2,
  ]);
  const verified = await json(`verify ${ALL} --full`);
  assertEquals(verified.told.deployments.map(({ ok }: { ok: boolean }) => ok), [true, true, false, false]);
  assertEquals(verified.code, 1);
  const cleaned = await json(`cleanup ${ALL} --yes`);
  assertEquals(cleaned.told.deployments.map(({ deleted }: { deleted: number }) => deleted), [5, 0, 0, 0]);
  // Where all that is left is somebody else's lock, patience is all that it takes.
  await redis.del("odd:tenant:{x}:tenant");
  const again = await json(`apply ${ALL} --yes --lock-wait 0`);
  assertEquals([again.code, again.told.deployments[2].error.code], [3, "lock_held"]);
  assertEquals((await run(`init ${ALL} --current --lock-wait 0`)).code, 3);
  await redis.del("held:outpost:migration:lock");
  assertEquals((await run(`apply ${ALL} --yes`)).code, 0);
  assertEquals((await run(`init ${ALL} --current`)).code, 0);
  assertEquals((await run(`verify ${ALL} --full`)).code, 0);
  assertEquals((await allKeys(redis)).filter((key) => /lock|fence/.test(key)), []);
});

Deno.test("--all-deployments says whom it leaves out, since no command could name them", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await seed(redis);
  const { run } = program(server);
  assertEquals((await run(`list ${ALL}`)).stderr, "");
  for (const id of [utf8("zoë"), "eu.prod", "alert"]) {
    await putHash(redis, `${id}:tenant:{t}:tenant`, tenantFields("t"));
  }
  await redis.hset("a:b\nc:outpost:migration:002_timestamps", { status: "applied" });
  for (let i = 0; i < 12; i++) await redis.hset(`${"x".repeat(65)}${i}:tenant:{t}:tenant`, tenantFields("t"));
  // Not Outpost's: the field does not say so, the key is no record's, and a lock is nothing that a deployment has done.
  await putHash(redis, "cache.1:tenant:{x}:tenant", { id: "y" });
  await putHash(redis, "cache.2:tenant:{t}:tenant:extra", tenantFields("t"));
  await redis.set("cache.3:outpost:migration:lock", "x");
  await redis.set("cache.4:outpost:settings", "x");
  await redis.set("cache:outpost:config", "x");
  await redis.set("cache:outpost:migrations", "x");
  await redis.set("new:outpost:installation_id", "x");
  const { code, stdout, stderr } = await run(`list ${ALL} --json`);
  assertEquals([code, ids(JSON.parse(stdout))], [0, ["", "a", "held", "new", "odd"]]);
  const lines = stderr.trim().split("\n");
  assertEquals(lines.slice(0, 3), [
    "warning: Left out the deployment a:b\\x0ac: its ID must be at most 64 letters, digits, - and _",
    'warning: Left out the deployment alert: its ID must not be "alert": keys of an installation without an ID begin with that ' +
    "word, and each would take the other's for its own",
    "warning: Left out the deployment eu.prod: its ID must be at most 64 letters, digits, - and _",
  ]);
  assertEquals([lines.length, lines.at(-1)], [11, "warning: Left out 6 more deployments with such IDs"]);
});

Deno.test("migrate apply asks once for all deployments, whom it names, and applies what was shown", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await seed(redis);
  const { run } = program(server, { DEPLOYMENT_ID: "a,odd" });
  const declined = await run("apply", { answers: ["n"] });
  assertEquals([declined.code, await getHash(redis, "a:outpost:migration:002_timestamps")], [1, null]);
  assertStringIncludes(
    declined.stderr,
    `Apply 4 migrations to 2 deployments in Redis 127.0.0.1:${server.port}/0, all but 1 record that cannot be`,
  );
  assertStringIncludes(declined.stdout, "1 cannot be converted");
  const named = 'odd: redis/002_timestamps odd:tenant:{x}:tenant: created_at is "yesterday"';
  assertStringIncludes(declined.stdout, named);
  assertStringIncludes((await run("plan")).stdout, named);
  const asked = await run("apply", { answers: ["y"] });
  assertEquals(asked.code, 1);
  assertStringIncludes(asked.stderr, "Applying to 2 deployments: a, odd");
  const failed = "redis/002_timestamps: odd:tenant:{x}:tenant: it cannot be converted";
  assertStringIncludes(asked.stdout, `odd: ${failed}`);
  assertStringIncludes((await run("apply --yes --verbose")).stdout, failed);
  assertEquals((await getHash(redis, "a:outpost:migration:002_timestamps"))?.status, "applied");
  assertEquals(await getHash(redis, "held:outpost:migration:002_timestamps"), null);
  assertEquals((await run("apply")).code, 2); // Nobody can answer.
});

Deno.test("migrate apply that asks tells those apart of which it could not be said what would change", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await seed(redis);
  await redis.acl("SETUSER", "limited", "on", ">word", "+@all", "~a:*", "~outpost:*");
  const { run } = program(server, {
    DEPLOYMENT_ID: "a,b",
    REDIS_USERNAME: "limited",
    REDIS_PASSWORD: "word",
  });
  const asked = await run("apply", { answers: ["y"] });
  assertStringIncludes(asked.stderr, "Apply 2 migrations to one deployment");
  assertStringIncludes(asked.stdout, "applied redis/002_timestamps, redis/003_entity");
  assertStringIncludes(asked.stdout, "1 of 2 are not done.");
  assertEquals(asked.code, 4);
});

Deno.test("migrate cleanup of several deployments verifies, asks once, and deletes what was told and nothing else", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await seed(redis);
  const { run, json } = program(server, {}, ["", "a"]);
  assertEquals((await run("apply --yes")).code, 0);
  await redis.hset("tenant:t1", { created_at: "2020-01-01T00:00:00Z" });
  const refused = await run("cleanup", { answers: ["y"] });
  assertEquals([refused.code, refused.stderr.includes("Delete")], [1, false]);
  assertStringIncludes(refused.stdout, "it does not verify");
  const kept = await run("cleanup --force", { answers: ["y"] });
  assertStringIncludes(kept.stderr, "Delete 5 originals of 2 deployments: (without an ID), a?");
  assertEquals(kept.code, 1);
  assertStringIncludes(kept.stdout, "4 deleted, 1 kept");
  assertStringIncludes(kept.stdout, "(without an ID): tenant:t1");
  await redis.del("tenant:t1");
  const { code, told } = await json("cleanup --yes");
  assertEquals([code, told.deployments.map(({ deleted }: { deleted: number }) => deleted)], [0, [0, 0]]);
});

Deno.test("Commands and flags that work on one deployment refuse several, and say how to name one", async () => {
  await using server = await startRedis();
  const { run, json } = program(server);
  for (
    const words of [
      "unlock --yes",
      "grants",
      "resolve redis/1 --all --keep copy",
      "plan --out x.json",
      "verify --html x.html",
    ]
  ) {
    const { code, stderr } = await run(`${words} --deployment-id a --deployment-id b`);
    assertEquals(code, 2, words);
    assertStringIncludes(stderr, "Name one: --deployment-id ID --no-all-deployments");
  }
  assertEquals((await run(`list --deployment-id a ${ALL}`)).code, 2);
  assertEquals((await run(`list ${ALL} --sql-only`)).code, 2);
  assertEquals((await run("list --deployment-id a,tenant")).code, 2);
  assertEquals((await run("list redis/2 --deployment-id a,b")).code, 2);
  assertEquals((await run("apply redis/9 --rerun --yes --deployment-id a,b")).code, 2);
  const empty = await json(`apply ${ALL} --yes`);
  assertEquals([empty.code, empty.told.deployments], [0, []]);
  assertEquals(
    (await run("list --deployment-id a --no-all-deployments", {
      env: {
        REDIS_HOST: server.host,
        REDIS_PORT: String(server.port),
        MIGRATE_ONLY: "redis",
        MIGRATE_ALL_DEPLOYMENTS: "true",
      },
    })).code,
    0,
  );
});

Deno.test("migrate apply for several deployments applies the steps of their one Postgres once, and first", async () => {
  await using server = await startRedis();
  await using postgres = await startPostgres();
  const redis = server.client();
  await seed(redis);
  const url = await postgres.createDatabase();
  const sql = postgres.client(url);
  const { json, run } = program(server, { POSTGRES_URL: url, MIGRATE_ONLY: "", DEPLOYMENT_ID: "a,held" });
  const step = await json("apply sql/1 --yes");
  assertEquals([step.code, step.told.shared.applied, step.told.deployments], [0, ["sql/000001"], []]);
  await sql`UPDATE schema_migrations SET dirty = true`;
  const dirty = await json("apply --yes");
  assertEquals([dirty.code, dirty.told.shared.error.code], [1, "dirty"]);
  assertEquals(dirty.told.deployments.map(({ ok }: { ok: boolean }) => ok), [false, false]);
  assertEquals(dirty.told.deployments.map(({ applied }: { applied: string[] }) => applied), [[], []]);
  const asked = await run("apply", { answers: ["y"] });
  assertEquals([asked.code, asked.stderr.includes("Apply ")], [1, false]);
  assertStringIncludes(asked.stdout, "not run: what all share could not be done");
  assertStringIncludes((await run("status")).stdout, "another tool failed in the middle of a SQL step");
  assertEquals(await getHash(redis, "a:outpost:migration:002_timestamps"), null);
  await sql`UPDATE schema_migrations SET dirty = false`;
  assertEquals((await run("apply sql/1 --rerun --yes")).code, 2);
  assertStringIncludes((await run("plan --sql")).stdout, "ALTER TABLE");
  const { code, told, lines } = await json("apply --yes --lock-wait 0");
  assertEquals([code, told.shared.applied.length, told.deployments[0].applied.length], [3, 9, 2]);
  const firstOfRedis = lines.findIndex(({ id }) => id?.startsWith("redis/"));
  assertEquals(lines.findLastIndex(({ id }) => id?.startsWith("sql/")) < firstOfRedis, true);
  const list = await json("list");
  assertEquals([list.told.shared.pending, list.told.deployments[0].pending], [{ sql: 0, redis: 0 }, {
    sql: 0,
    redis: 0,
  }]);
});

Deno.test("migrate apply for several deployments that was killed or stopped leaves true states, and the next one finishes", async () => {
  await using server = await startRedis();
  const redis = server.client();
  for (const id of ["a", "b", "c"]) {
    for (let i = 0; i < 150; i++) await putHash(redis, `${id}:tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
  }
  const { json, run } = program(server, { DEPLOYMENT_ID: "a,b,c" });
  const begun = () => eventually(async () => assertEquals(await statusOf("b"), "running"));
  const statusOf = async (id: string) =>
    (await getHash(redis, `${id}:outpost:migration:002_timestamps`))?.status;
  const env = {
    REDIS_HOST: server.host,
    REDIS_PORT: String(server.port),
    MIGRATE_ONLY: "redis",
    NO_COLOR: "1",
  };
  const child = spawnCli(
    ["migrate", "apply", "--yes", "--max-rate", "100", "--lock-ttl", "2s", "--deployment-id", "a,b,c"],
    { env: { ...env, CONFIG: NO_SETTINGS } },
  );
  await begun();
  child.kill("SIGKILL");
  await child.output();
  const stop = new AbortController();
  const stopped = run("apply --yes --max-rate 100 --lock-wait 30s", { stop: stop.signal });
  await begun();
  await eventually(async () =>
    assertEquals((await json("status")).told.deployments[2].lock.owner?.includes("test-host"), true)
  );
  stop.abort();
  assertEquals((await stopped).code, 130);
  assertEquals((await allKeys(redis)).filter((key) => /lock|fence/.test(key)), []);
  assertEquals(
    (await json("list")).told.deployments.map((one: { pending: { redis: number } }) => one.pending.redis),
    [2, 2, 2],
  );
  assertEquals((await run("apply --yes")).code, 0);
  assertEquals((await run("verify --full")).code, 0);
});

Deno.test({
  name: "migrate list of several deployments does not say of those it cannot ask what they have",
  // On Deno 2.4 a client that found nobody leaves a timer behind.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const { run } = program({ host: "127.0.0.1", port: 1 }, {}, ["", "a"]);
    const { code, stdout } = await run("list");
    assertEquals([code, stdout.includes("pending")], [4, false]);
    assertStringIncludes(stdout, "2 of 2 could not be asked.");
  },
});

Deno.test("the last lines for several deployments lead from the first look to the gate before their servers, and end there", async () => {
  await using server = await startRedis();
  await putHash(server.client(), "dp:tenant:{t}:tenant", tenantFields("t"));
  const env = {
    REDIS_HOST: server.host,
    REDIS_PORT: String(server.port),
    MIGRATE_ONLY: "redis",
    NO_COLOR: "1",
  };
  const seen: string[] = [];
  for (let line: string | undefined = "migrate status --all-deployments"; line !== undefined;) {
    seen.push(line);
    const { code, stdout, stderr }: CliResult = await runInProcess(line.split(" "), { env, answers: ["y"] });
    assertEquals(code, 0, stdout + stderr);
    line = /Next: outpost (.+)/.exec(stdout)?.[1];
    assert(line === undefined || !seen.includes(line), `${seen.join("; ")}; ${line}`);
  }
  assertEquals(seen.at(-1), "migrate init --current --all-deployments");
});

Deno.test("the last lines for several deployments lead out of what is wrong with the database that they share", async () => {
  await using server = await startRedis();
  await using postgres = await startPostgres();
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, seedVersion4);
  await putHash(server.client(), "dp:tenant:{t}:tenant", tenantFields("t"));
  const env = { REDIS_HOST: server.host, REDIS_PORT: String(server.port), POSTGRES_URL: url, NO_COLOR: "1" };
  const run = (line: string) => runInProcess(line.split(" "), { env, answers: ["y"] });
  for (const first of ["verify", "plan", "apply --yes --verbose", "verify --verbose"]) {
    await postgres.client(url, { max: 1 })`UPDATE schema_migrations SET version = 4, dirty = true`;
    const seen: string[] = [];
    for (let line: string | undefined = `migrate ${first} ${ALL}`; line !== undefined;) {
      seen.push(line);
      const { code, stdout, stderr }: CliResult = await run(line);
      if (line.startsWith("migrate force")) assertEquals(code, 0, stderr);
      if (line.startsWith("migrate force")) break;
      const told = stdout + stderr;
      line = /outpost (migrate force 4 --deployment-id \S+)/.exec(told)?.[1] ??
        /Next: outpost (.+?)(?: {2}|\n)/.exec(told)?.[1];
      assert(line !== undefined && !seen.includes(line), `${seen.join("; ")}; ${line}: ${told}`);
    }
    assertStringIncludes(seen.at(-1)!, "migrate force 4 --deployment-id ");
  }
});
