/** The rights that `migrate grants` prints are enough for what they are for, and for no more. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";

interface PrintedGrant {
  readonly purpose: "read" | "apply" | "serve";
  readonly store: "postgres" | "redis";
  readonly user: string;
  readonly statements: readonly string[];
}

Deno.test("each purpose has the rights that it needs, and reading may not write", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const admin = redis.client();
  const url = new URL(await postgres.createDatabase());
  const sql = postgres.client(url.href);
  const owner = "the owner";
  await sql.unsafe(`CREATE ROLE "${owner}"; ALTER DATABASE ${url.pathname.slice(1)} OWNER TO "${owner}"`);
  await seedLegacyTenant(admin, "acme", 2);
  const printed = await runInProcess(["migrate", "grants", "--json", "--owner", owner], {
    env: { POSTGRES_URL: url.href },
  });
  const { grants } = JSON.parse(printed.stdout) as { readonly grants: readonly PrintedGrant[] };
  for (const { store, statements } of grants) {
    for (const statement of statements) {
      if (store === "postgres") await sql.unsafe(statement);
      else await admin.call(statement.split(" ")[0]!, ...statement.split(" ").slice(1));
    }
  }
  const as = (purpose: string) => {
    const { user } = grants.find((grant) => grant.purpose === purpose)!;
    const there = new URL(url);
    [there.username, there.password] = [user, "PASSWORD"];
    const env = {
      ...{ REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) },
      ...{ REDIS_USERNAME: user, REDIS_PASSWORD: "PASSWORD", POSTGRES_URL: there.href },
    };
    return (line: string) => runInProcess(line.split(" "), { env });
  };
  const [read, apply, serve] = [as("read"), as("apply"), as("serve")];

  for (const line of ["migrate list", "migrate status", "migrate plan"]) {
    const { code, stderr } = await read(line);
    assertEquals(code, 0, `${line}: ${stderr}`);
  }
  assert((await read("migrate apply --yes --sql-only")).code !== 0);
  const refused = await read("migrate apply --yes --redis-only");
  assertEquals(refused.code, 4, refused.stderr);
  assertStringIncludes(refused.stderr, "Redis refuses EVAL (NOPERM)");
  assertStringIncludes(refused.stderr, "[store_denied]");
  assertEquals(await admin.exists("tenant:{acme}:tenant"), 0);

  // Who has followed this advice loses nothing by it: tables are made anew, with the rights that were given.
  const planned = await apply("migrate plan --json --sql-only");
  assertEquals(JSON.parse(planned.stdout).sql.grouping.apart, [], planned.stdout);
  const applied = await apply("migrate apply --yes");
  assertEquals(applied.code, 0, applied.stderr);
  const verified = await read("migrate verify --full");
  assertEquals(verified.code, 0, verified.stdout + verified.stderr);
  const cleaned = await apply("migrate cleanup --yes");
  assertEquals(cleaned.code, 0, cleaned.stderr);
  const served = await serve("serve -- true");
  assertEquals(served.code, 0, served.stderr);
});

Deno.test("each purpose has the rights that it needs in a cluster", async () => {
  await using cluster = await startRedisCluster();
  await seedLegacyTenant(cluster.client(), "acme", 2);
  const printed = await runInProcess(["migrate", "grants", "--json", "--redis-only"], {});
  const { grants } = JSON.parse(printed.stdout) as { readonly grants: readonly PrintedGrant[] };
  for (const { statements: [statement] } of grants) {
    const [command, ...words] = statement!.split(" ");
    for (const node of cluster.nodes) await node.client().call(command!, ...words);
  }
  const run = (purpose: string, line: string) =>
    runInProcess([...line.split(" "), "--redis-only"], {
      env: {
        ...{ REDIS_HOST: "127.0.0.1", REDIS_PORT: String(cluster.ports[0]), REDIS_CLUSTER_ENABLED: "true" },
        ...{
          REDIS_USERNAME: grants.find((one) => one.purpose === purpose)!.user,
          REDIS_PASSWORD: "PASSWORD",
        },
      },
    });
  for (
    const [purpose, line] of [
      ...["list", "status", "plan"].map((word) => ["read", `migrate ${word}`] as const),
      ...["apply --yes", "cleanup --yes"].map((words) => ["apply", `migrate ${words}`] as const),
      ...["read", "serve"].map((reader) => [reader, "migrate verify --full"] as const),
    ]
  ) {
    const { code, stdout, stderr } = await run(purpose, line);
    assertEquals(code, 0, `${purpose}, ${line}: ${stdout}${stderr}`);
  }
});

Deno.test("grants are shown as statements to copy", async () => {
  const { stdout } = await runInProcess(["migrate", "grants", "--redis-only"], {});
  assertStringIncludes(stdout, "ACL SETUSER outpost_reader on >PASSWORD resetkeys ~*");
  assert(!stdout.includes("GRANT"));
});

Deno.test("what a Redis user lacks for applying is named before anything is changed", async () => {
  await using redis = await startRedis();
  const admin = redis.client();
  await seedLegacyTenant(admin, "acme", 1);
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), REDIS_USERNAME: "few" };
  const run = (line: string) =>
    runInProcess(`migrate ${line} --redis-only`.split(" "), { env: { ...env, REDIS_PASSWORD: "pw" } });
  const needs = "+eval +evalsha +set +del +time +hset +copy +unlink +hdel".split(" ");
  const allow = (...rights: string[]) =>
    admin.call("ACL", "SETUSER", "few", "reset", "on", ">pw", "+@read", "+@connection", "+info", ...rights);

  for (
    const [lacking, rights, named] of [
      ["a command", ["~*", ...needs.filter((one) => one !== "+copy")], "may not run COPY, which"],
      ["scripts", ["~*", ...needs.filter((one) => !one.startsWith("+eval"))], "may not run EVAL, which"],
      ["keys", ["%R~*", "~tenant:*", "~*lock*", ...needs], "on keys like outpost:migration:"],
    ] as const
  ) {
    await allow(...rights);
    const { code, stdout } = await run("plan --json");
    assertEquals(code, 0, lacking);
    const { blockers } = JSON.parse(stdout);
    assertEquals(blockers.map(({ kind }: { kind: string }) => kind), ["rights"], lacking);
    assertStringIncludes(blockers[0].detail, named);
    const refused = await run("apply --yes");
    assertEquals(refused.code, 4, refused.stderr);
    assertStringIncludes(refused.stderr, "migrate grants");
    assertEquals(await admin.exists("tenant:{acme}:tenant"), 0, lacking);
  }

  await allow("~*", ...needs);
  assertEquals(JSON.parse((await run("plan --json")).stdout).blockers, []);
  const applied = await run("apply --yes");
  assertEquals(applied.code, 0, applied.stderr);
});
