import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { RefusedError } from "../../../engine/errors.ts";
import { runInProcess } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { backendOver, locked, migrateTo, running } from "./deployment.ts";

/** What a stranger does who may create tables and nothing more: it must not work. */
const ESCALATION = `
  CREATE FUNCTION rise() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN ALTER ROLE stranger SUPERUSER; RETURN NEW; END $$;
  CREATE FUNCTION climb() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN ALTER ROLE stranger SUPERUSER; RETURN true; END $$;`;
const QUARANTINE = `CREATE TABLE outpost_quarantine (id bigserial PRIMARY KEY, migration text NOT NULL,
  source_table text NOT NULL, row jsonb NOT NULL, quarantined_at timestamptz NOT NULL DEFAULT now())`;
const VERSIONS =
  "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)";
const fires = (table: string) =>
  `CREATE TRIGGER t BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION rise()`;

/** What is planted, and what is said of it. */
const PLANTS: readonly (readonly [string, string])[] = [
  [`${VERSIONS}; ${fires("schema_migrations")}`, "it has triggers (t)"],
  [VERSIONS, `belongs to "stranger"`],
  [
    "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL, x boolean DEFAULT climb())",
    "defaults or columns that compute",
  ],
  [
    "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL CHECK (climb()))",
    "constraints that compute",
  ],
  [
    "CREATE DOMAIN b AS boolean CHECK (climb()); CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty b)",
    "it lacks columns (dirty boolean)",
  ],
  [
    "CREATE VIEW schema_migrations AS SELECT 1::bigint AS version, NOT climb() AS dirty",
    "no ordinary table",
  ],
  [
    `${VERSIONS}; CREATE RULE r AS ON INSERT TO schema_migrations DO ALSO SELECT climb()`,
    "it has rules",
  ],
  [`${VERSIONS}; ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY`, "row level security"],
  [`${VERSIONS}; CREATE TABLE child () INHERITS (schema_migrations)`, "inherit"],
  [`${QUARANTINE}; ${fires("outpost_quarantine")}`, `"outpost_quarantine" cannot be trusted`],
  [
    "CREATE VIEW outpost_quarantine AS SELECT 1::bigint AS id, climb()::text AS migration, ''::text AS source_table",
    `"outpost_quarantine" cannot be trusted`,
  ],
  [
    `${QUARANTINE.replace("quarantine", "quarantine_rows")}; ${fires("outpost_quarantine_rows")}`,
    `"outpost_quarantine_rows" cannot be trusted`,
  ],
  [
    "CREATE TABLE outpost_migrations (version bigint, query xml DEFAULT query_to_xml('SELECT climb()', true, true, ''))",
    `"outpost_migrations" cannot be trusted`,
  ],
  ["CREATE VIEW outpost_migrations AS SELECT climb()", `"outpost_migrations" cannot be trusted`],
];

Deno.test("a session writes to no table of the tool's that a stranger made, and verify() names it", async (t) => {
  await using server = await startPostgres();
  const admin = server.client(await server.createDatabase("admin"), { max: 1 });
  await admin.unsafe("CREATE ROLE stranger LOGIN");
  for (const [index, [plant, reason]] of PLANTS.entries()) {
    await t.step(`${reason}, ${index}`, async () => {
      const name = `planted_${index}`;
      const url = await server.createDatabase(name);
      const sql = server.client(url, { max: 1 });
      await sql.unsafe("GRANT CREATE ON SCHEMA public TO stranger");
      await asStranger(sql, `${ESCALATION} ${plant}`);
      const backend = backendOver(sql);
      {
        await using session = await locked(backend);
        const error = await assertRejects(() => session.up(1, running()), RefusedError);
        assertStringIncludes(error.message, reason);
        assertStringIncludes(error.hint ?? "", "run as its owner");
        await assertRejects(() => session.force(3), RefusedError, reason);
      }
      // What cannot even be read without running what a stranger wrote is refused by what reads, too.
      const planned = await backend.plan([1]).then(() => backend.blockers([1])).then(
        (blockers) => blockers.filter(({ kind }) => kind === "untrusted").map(({ detail }) => detail).join(),
        String,
      );
      assertStringIncludes(planned, reason);
      const told = await backend.verify().then(({ ok, issues }) => ok ? "" : issues.join("\n"), String);
      assertStringIncludes(told, reason);
      const [role] = await admin`SELECT rolsuper FROM pg_roles WHERE rolname = 'stranger'`;
      assertEquals(role!.rolsuper, false);
    });
  }
});

Deno.test("planCleanup() counts nothing in a table that a stranger put in the place of the tool's", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 1 });
  const backend = backendOver(sql);
  await migrateTo(backend, 5);
  assertEquals((await backend.planCleanup(5))?.rows, 0);
  await sql.unsafe("CREATE ROLE stranger LOGIN; GRANT CREATE ON SCHEMA public TO stranger");
  await sql.unsafe("DROP TABLE outpost_quarantine");
  await asStranger(sql, QUARANTINE);
  await assertRejects(
    () => backend.planCleanup(5),
    RefusedError,
    `"outpost_quarantine" cannot be trusted`,
  );
});

Deno.test("a session trusts what golang-migrate and the tool itself made, also for the owner of the database", async () => {
  await using server = await startPostgres();
  const admin = server.client(await server.createDatabase("admin"), { max: 1 });
  await admin.unsafe("CREATE ROLE owner LOGIN; CREATE ROLE deployer LOGIN SUPERUSER");
  const sql = server.client(await server.createDatabase("trusted"), { max: 1 });
  await admin.unsafe("ALTER DATABASE trusted OWNER TO owner");
  await sql.unsafe(`GRANT ALL ON SCHEMA public TO owner; SET ROLE owner; ${VERSIONS}; RESET ROLE`);
  const backend = backendOver(sql);
  await migrateTo(backend, 5);
  await sql.unsafe("ALTER TABLE schema_migrations OWNER TO deployer");
  await migrateTo(backend, 10);
  assertEquals((await backend.verify()).issues, []);
  await using session = await locked(backend);
  assertEquals(await session.cleanup(5, running()), 0);
});

Deno.test("plan lists bookkeeping that cannot be read among what is in the way, and plans the rest", async () => {
  await using stack = new AsyncDisposableStack();
  const [server, redis] = await Promise.all([startPostgres(), startRedis()]);
  stack.use(server);
  stack.use(redis);
  const admin = server.client(await server.createDatabase("admin"), { max: 1 });
  await admin.unsafe("CREATE ROLE stranger LOGIN");
  const url = await server.createDatabase("planted");
  const sql = server.client(url, { max: 1 });
  await sql.unsafe("GRANT CREATE ON SCHEMA public TO stranger");
  await asStranger(
    sql,
    `${ESCALATION}
    CREATE VIEW schema_migrations AS SELECT 1::bigint AS version, NOT climb() AS dirty`,
  );
  await seedLegacyTenant(redis.client(), "acme");
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const env = { POSTGRES_URL: url, REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), NO_COLOR: "1" };
  const outpost = (line: string) => runInProcess(line.split(" "), { env });

  const file = `${folder}/plan.json`;
  const planned = await outpost(`migrate plan --json --out ${file}`);
  assertEquals(planned.code, 0, planned.stderr);
  const { has_changes, sql: steps, redis: records, blockers } = JSON.parse(planned.stdout);
  assertEquals([has_changes, steps, records.length], [true, null, 3]);
  assertEquals(blockers.map(({ store, kind }: { store: string; kind: string }) => [store, kind]), [
    ["postgres", "untrusted"],
  ]);
  assertStringIncludes(blockers[0].detail, "no ordinary table");
  for (const line of ["migrate plan", "migrate plan --sql-only"]) {
    const { stdout } = await outpost(line);
    assertStringIncludes(stdout, 'The table "schema_migrations" cannot be trusted');
    assertStringIncludes(stdout, "Next: outpost migrate plan");
  }
  assertEquals((await outpost("migrate plan --sql-only --check")).code, 1);
  assertStringIncludes((await outpost("migrate plan --sql-only")).stdout, "Plan: nothing that can be told");
  // What writes, and the gate, refuse as before: also what such a plan would leave out.
  for (const line of ["migrate apply --yes", `migrate apply --plan ${file} --yes`, "serve -- true"]) {
    const { code, stderr } = await outpost(line);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, "no ordinary table");
  }
  assertEquals(await redis.client().exists("tenant:{acme}:tenant"), 0);
  const [role] = await admin`SELECT rolsuper FROM pg_roles WHERE rolname = 'stranger'`;
  assertEquals(role!.rolsuper, false);
});

async function asStranger(sql: postgres.Sql, text: string): Promise<void> {
  await sql.unsafe(`SET ROLE stranger; ${text}; RESET ROLE`);
}
