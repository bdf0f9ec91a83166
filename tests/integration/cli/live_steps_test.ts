/** What is seen of a SQL step while it runs: by who runs it, and by `status` from elsewhere. */

import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { type CliResult, runInProcess } from "../../support/cli.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { seedVersion4 } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

/** An old Outpost, and somebody with a name that steers a terminal who holds up what is asked for. */
async function heldUp(hold: string) {
  await using stack = new AsyncDisposableStack();
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  stack.use(postgres);
  stack.use(redis);
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, seedVersion4);
  const session = await postgres.client(url, {
    max: 1,
    connection: { application_name: "report\x1b[2J of bob" },
  }).reserve();
  await session`begin`;
  const [{ pid } = {}] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  await session.unsafe(hold);
  const moved = stack.move();
  return {
    pid,
    env: { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), POSTGRES_URL: url },
    async letGo() {
      await session`rollback`;
      session.release();
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

Deno.test("a step that waits in the server says for whom, on its terminal, in JSON and to status elsewhere", async () => {
  // The step's own record has to wait for this one; its tables are free.
  await using deployment = await heldUp("update schema_migrations set dirty = dirty");
  const { env, pid } = deployment;
  // Servers before 16 make the name harmless themselves.
  const who = new RegExp(
    `waits for process ${pid} \\(report\\S{1,4}\\[2J of bob, user postgres\\), idle in transaction since 20`,
  );
  let terminal = "";
  const apply = "migrate apply --yes sql/5 --lock-timeout 0".split(" ");
  const run = runInProcess(apply, { env, answers: [], columns: 300, onStderr: (text) => terminal += text });
  await eventually(() => assertMatch(terminal, who));
  assertMatch(terminal, /sql\/000005 {2}statement (\d+) of \1, \d/);

  const status = await runInProcess(["migrate", "status"], { env });
  assertMatch(status.stdout.replace(/\s+/g, " "), who);
  assertMatch(
    status.stdout,
    /At work +Postgres process \d+: UPDATE schema_migrations, begun \d+ s ago|At work +Postgres process \d+: [A-Z]+ /,
  );
  assertEquals(status.stdout.includes("\x1b"), false);
  const { activity } = JSON.parse((await runInProcess(["migrate", "status", "--json"], { env })).stdout);
  assertEquals(activity.waits_for.map((one: { pid: number; user: string }) => [one.pid, one.user]), [[
    pid,
    "postgres",
  ]]);
  await deployment.letGo();
  assertEquals((await run).code, 0);
  const after = await runInProcess(["migrate", "status", "--json"], { env });
  assertEquals(JSON.parse(after.stdout).activity, null);
});

Deno.test("a step that tries again names table and blocker, also to status elsewhere", async () => {
  await using deployment = await heldUp("lock table events in share mode");
  const { env, pid } = deployment;
  let lines = "";
  const apply = "migrate apply --yes --json --lock-ttl 2s --lock-retries 1000".split(" ");
  const run = runInProcess(apply, { env, onStderr: (text) => lines += text });
  await eventually(() => assertStringIncludes(lines, `held by process ${pid} (`));
  assertMatch(lines, /events.* held by process/);
  let status: CliResult;
  // The lock tells it with its next heartbeat.
  await eventually(async () => {
    status = await runInProcess(["migrate", "status"], { env });
    assertMatch(
      status.stdout.replace(/\s+/g, " "),
      new RegExp(`statement \\d+ of \\d+, attempt \\d+: events.* (is|are) held by process ${pid} \\(`),
    );
  });
  await deployment.letGo();
  const { code, stdout } = await run;
  assertEquals(code, 0);
  const steps = stdout.trim().split("\n").map((line) => JSON.parse(line)).filter(({ statements }) =>
    statements > 0
  );
  assertEquals(
    steps.every(({ event, statement, statements }) => event === "progress" && statement <= statements),
    true,
  );
});

Deno.test("a step tries again as often as --lock-retries says, and no more", async () => {
  await using deployment = await heldUp("lock table deliveries in share mode");
  const { env } = deployment;
  for (const retries of [0, 2]) {
    const apply = `migrate apply --yes --sql-only --lock-timeout 20ms --lock-retries ${retries}`.split(" ");
    const { code, stderr } = await runInProcess(apply, { env });
    assertNotEquals(code, 0);
    assertEquals(stderr.match(/; attempt \d+, again in /g)?.length ?? 0, retries, stderr);
  }
});

Deno.test("a step that is taken back names table and blocker as well", async () => {
  await using deployment = await heldUp("lock table deliveries in share mode");
  const { env, pid } = deployment;
  let lines = "";
  const run = runInProcess("migrate down 1 --yes --json --lock-retries 1000".split(" "), {
    env,
    onStderr: (text) => lines += text,
  });
  await eventually(() => assertMatch(lines, new RegExp(`sql/000004: .*held by process ${pid} \\(`)));
  await deployment.letGo();
  assertEquals((await run).code, 0);
});

Deno.test("an index that is being built says how far it is", async () => {
  await using deployment = await heldUp("lock table deliveries_default in row exclusive mode");
  const { env, pid } = deployment;
  // Another tool that holds the same lock, and builds an index: it waits for who may write.
  const { default: postgres } = await import("postgres");
  const sql = postgres(env.POSTGRES_URL, { max: 2 });
  try {
    const { outpostNames } = await import("../../../migrations/mod.ts");
    const [place] = await sql`select current_schema() as schema, current_database() as database`;
    const key = outpostNames("").postgres!.lockKey(place!.schema, place!.database);
    const builder = await sql.reserve();
    await builder`select pg_advisory_lock(${String(key)}::bigint)`;
    const built = builder`create index concurrently by_status on deliveries_default (status)`;
    void built.catch(() => {});
    await eventually(async () => {
      const { stdout } = await runInProcess(["migrate", "status"], { env });
      assertMatch(stdout, /create index concurrently by_status, begun \d+ s ago/);
      assertMatch(stdout, /waiting for writers before build, 0 rows/);
      assertStringIncludes(stdout, `waits for process ${pid}`);
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
  await deployment.letGo();
});
