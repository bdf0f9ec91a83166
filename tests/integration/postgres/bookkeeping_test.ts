import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { DirtyError, RefusedError } from "../../../engine/errors.ts";
import { stepChecksum } from "../../../engine/sql/step.ts";
import { postgresSteps } from "../../../migrations/sql/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import {
  backendOver,
  fill,
  locked,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "./deployment.ts";

/** Runs a step's statements and keeps the books as golang-migrate does: no history, the row replaced in a transaction. */
async function golangMigrate(
  sql: postgres.Sql,
  version: number,
  direction: "up" | "down" = "up",
): Promise<void> {
  const { step } = postgresSteps[version - 1]!;
  await sql`CREATE TABLE IF NOT EXISTS schema_migrations (version bigint not null primary key, dirty boolean not null)`;
  const setVersion = (to: number, dirty: boolean) =>
    sql.begin(async (transaction) => {
      await transaction`TRUNCATE schema_migrations`;
      if (to > 0) await transaction`INSERT INTO schema_migrations (version, dirty) VALUES (${to}, ${dirty})`;
    });
  const target = direction === "up" ? version : version - 1;
  await setVersion(target, true);
  await sql.begin(async (transaction) => {
    for (const { text } of step[direction]) await transaction.unsafe(text);
  });
  await setVersion(target, false);
}

const history = (sql: postgres.Sql) =>
  sql<{ version: number; applied_by: string; tool_version: string; timed: boolean; known: boolean }[]>`
    SELECT version::int AS version, applied_by, tool_version, duration_ms IS NOT NULL AS timed, applied_at IS NOT NULL AS known
      FROM outpost_migrations ORDER BY id`;

Deno.test("up() and down() take turns with golang-migrate in both directions", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  for (const version of [1, 2, 3, 4]) await golangMigrate(sql, version);
  await fill(sql);
  const found = await backend.read();
  assertEquals([found.version, found.dirty, found.ahead, found.drift], [4, false, false, []]);
  assertEquals(found.entries.map(({ status }) => status), [
    ...Array(4).fill("applied"),
    ...Array(6).fill("pending"),
  ]);
  await migrateTo(backend, 5);
  assertEquals(
    (await history(sql)).map(({ version, applied_by, timed, known }) => [version, applied_by, timed, known]),
    [
      [1, "golang-migrate", false, false],
      [2, "golang-migrate", false, false],
      [3, "golang-migrate", false, false],
      [4, "golang-migrate", false, false],
      [5, "tester@host", true, true],
    ],
  );
  await golangMigrate(sql, 6);
  await golangMigrate(sql, 7);
  assertEquals((await backend.read()).version, 7);
  assertEquals((await backend.read()).drift, []);
  await migrateTo(backend, 9);
  await golangMigrate(sql, 9, "down");
  await golangMigrate(sql, 8, "down");
  assertEquals((await backend.read()).version, 7);
  assertEquals((await backend.read()).drift, [], "what golang-migrate took back is no drift");
  await golangMigrate(sql, 8);
  {
    await using session = await locked(backend);
    await session.down(8, running());
  }
  await migrateTo(backend, 10);
  assertEquals((await history(sql)).map(({ version }) => version), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assertEquals([...await sql`SELECT version::int AS version, dirty FROM schema_migrations`], [{
    version: 10,
    dirty: false,
  }]);
  assertEquals(await outpostSchema(sql), releasedSchema(10));
  {
    await using session = await locked(backend);
    for (let version = 10; version > 0; version--) await session.down(version, running());
  }
  assertEquals([...await sql`SELECT * FROM schema_migrations`], [], "no row at version 0");
  assertEquals((await backend.read()).version, 0);
  await golangMigrate(sql, 1);
  assertEquals((await backend.read()).version, 1);
});

Deno.test("up() makes schema_migrations exactly as golang-migrate does", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  await migrateTo(backendOver(sql), 1);
  const columns = await sql`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required FROM pg_attribute
     WHERE attrelid = 'schema_migrations'::regclass AND attnum > 0 ORDER BY attnum`;
  assertEquals([...columns], [
    { name: "version", type: "bigint", required: true },
    { name: "dirty", type: "boolean", required: true },
  ]);
  const [key] = await sql`
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE conrelid = 'schema_migrations'::regclass AND contype = 'p'`;
  assertEquals(key, { name: "schema_migrations_pkey", definition: "PRIMARY KEY (version)" });
});

Deno.test("up() refuses what golang-migrate left dirty, and force() lets it go on", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await sql`UPDATE schema_migrations SET version = 5, dirty = true`;
  const state = await backend.read();
  assertEquals([state.version, state.dirty, state.entries[4]!.status], [5, true, "dirty"]);
  assertEquals((await backend.verify()).ok, false);
  await using session = await locked(backend);
  const error = await assertRejects(() => session.up(6, running()), DirtyError);
  assertEquals(error.version, 5);
  assertStringIncludes(error.hint!, "force");
  await assertRejects(() => session.down(5, running()), DirtyError);
  await assertRejects(() => session.force(11), RefusedError);
  await session.force(4);
  assertEquals((await backend.read()).dirty, false);
  await session.up(5, running());
  assertEquals(await outpostSchema(sql), releasedSchema(5));
  await session.force(0);
  assertEquals([...await sql`SELECT * FROM schema_migrations`], []);
  assertEquals([...await history(sql)], []);
});

Deno.test("read() reports a database that is ahead, and nothing is changed there", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 10);
  await sql`UPDATE schema_migrations SET version = 12`;
  const state = await backend.read();
  assertEquals([state.version, state.latest, state.ahead, state.drift], [12, 10, true, []]);
  assertEquals(state.entries.every(({ status }) => status === "applied"), true);
  assertEquals((await backend.plan([])).current, 12);
  assertStringIncludes((await backend.verify()).issues.join(), "version 12");
});

Deno.test("read() names changed, missing, unknown and out-of-order steps, and force() accepts them", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 7);
  const drift = async () => (await backend.read()).drift;
  assertEquals(await drift(), []);
  const back = async () => {
    await using session = await locked(backend);
    await session.force(7);
    assertEquals(await drift(), []);
    const rows = await sql`SELECT version::int AS version, checksum FROM outpost_migrations ORDER BY id`;
    assertEquals(rows.map(({ version }) => version), [1, 2, 3, 4, 5, 6, 7]);
    assertEquals(
      rows.map(({ checksum }) => checksum),
      postgresSteps.slice(0, 7).map(({ step }) => stepChecksum(step)),
    );
  };
  await sql`UPDATE outpost_migrations SET checksum = 'x' WHERE version = 3`;
  assertEquals(await drift(), ["Version 3 (event_delivery_index) was changed after it was applied"]);
  await back();
  await sql`DELETE FROM outpost_migrations WHERE version = 2`;
  assertEquals(await drift(), [
    `Version 2 (delivery_response) is missing from "outpost_migrations", where version 7 stands`,
  ]);
  await back();
  await sql`UPDATE outpost_migrations SET name = 'other' WHERE version = 4`;
  assertEquals(await drift(), [`Version 4 is recorded as "other", and is "delivery_manual_attempt" here`]);
  await back();
  await sql.unsafe(`
    ALTER TABLE outpost_migrations ALTER COLUMN id DROP IDENTITY;
    UPDATE outpost_migrations SET id = 1000 WHERE version = 2`);
  assertStringIncludes((await drift()).join(), "was recorded after version");
});

Deno.test("verify() names each difference of the schema, and none for what is the operator's own", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 10);
  await sql.unsafe(`
    CREATE TABLE mine (n int);
    CREATE INDEX mine_too ON attempts (code);
    ALTER TABLE events ADD COLUMN note text;
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`);
  assertEquals(await backend.verify(), {
    ok: true,
    current: 10,
    latest: 10,
    dirty: false,
    issues: [],
    warnings: [],
  });
  await sql.unsafe(`
    DROP INDEX idx_events_id;
    ALTER TABLE attempts ALTER COLUMN code SET NOT NULL;
    ALTER TABLE attempts ALTER COLUMN manual DROP DEFAULT;
    ALTER TABLE attempts ALTER COLUMN attempt_number TYPE bigint;
    ALTER TABLE attempts DROP COLUMN event_metadata;
    ALTER TABLE events RENAME CONSTRAINT events_pkey TO other_pkey;
    ALTER TABLE events DETACH PARTITION events_default`);
  const { ok, issues } = await backend.verify();
  assertEquals(ok, false);
  for (
    const expected of [
      `Index "idx_events_id" on "events" is missing`,
      `Column "attempts"."code" refuses NULL: expected it accepted`,
      `Column "attempts"."manual" has no default: expected the default false`,
      `Column "attempts"."attempt_number" has the type bigint: expected integer`,
      `Column "attempts"."event_metadata" is missing`,
      `Constraint "events_pkey" of "events" is missing`,
      `Table "events_default" is no partition: expected a partition of "events" DEFAULT`,
    ]
  ) assertEquals(issues.includes(expected), true, `${expected} in ${issues.join("\n")}`);
});

Deno.test("A version that no number holds is told as it is recorded", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 10);
  await sql`UPDATE schema_migrations SET version = 9007199254740993`;
  const { ahead, drift } = await backend.read();
  assertEquals([ahead, drift], [true, [
    "The version recorded is 9007199254740993, which is told as 9007199254740992: no release has it",
  ]]);
  await sql`UPDATE schema_migrations SET version = 20260101120000`;
  assertEquals((await backend.read()).drift, []);
});

Deno.test("up() works in another schema with a name that needs quotes", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 1 });
  await admin.unsafe(`CREATE SCHEMA "Out.post-1"`);
  const sql = server.client(url, { max: 2, connection: { search_path: '"Out.post-1"' } });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await migrateTo(backend, 10);
  assertEquals(await outpostSchema(sql, "Out.post-1"), releasedSchema(10));
  assertEquals((await backend.verify()).issues, []);
  assertEquals(await outpostSchema(admin), [], "nothing was made elsewhere");
  const nowhere = server.client(url, { max: 1, connection: { search_path: "missing" } });
  assertEquals((await backendOver(nowhere).read()).version, 0);
  await assertRejects(
    () => backendOver(nowhere).connect(),
    RefusedError,
    "no schema of the search path exists",
  );
});

Deno.test("up() and prepare() record who runs them also where the database has no letters for the name", async () => {
  await using server = await startPostgres();
  const admin = server.client(await server.createDatabase(), { max: 1 });
  const applied = async (encoding: string): Promise<unknown> => {
    const name = encoding.toLowerCase();
    await admin.unsafe(
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    const sql = server.client(`postgres://postgres@127.0.0.1:${server.port}/${name}`, { max: 2 });
    const backend = backendOver(sql, { tool: { name: "outpost", version: "1", who: "Оля@host" } });
    await migrateTo(backend, 4);
    {
      await using session = await locked(backend);
      if (encoding !== "SQL_ASCII") await session.prepare!([5, 6, 7, 8, 9, 10], running());
      await session.upTogether([5, 6, 7, 8, 9, 10], running());
    }
    return (await sql`SELECT DISTINCT applied_by FROM outpost_migrations`).map((row) => row.applied_by);
  };
  assertEquals(await applied("LATIN1"), ["???@host"]);
  for (const encoding of ["UTF8", "SQL_ASCII"]) assertEquals(await applied(encoding), ["Оля@host"]);
});

Deno.test("verify() leaves a default partition in peace that an operator gave bounds, where another one takes the other rows", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await migrateTo(backend, 10);
  await sql.unsafe(`ALTER TABLE attempts DETACH PARTITION attempts_default;
    ALTER TABLE attempts ATTACH PARTITION attempts_default FOR VALUES FROM ('2020-01-01') TO ('2030-01-01')`);
  const bound = "FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2030-01-01 00:00:00+00')";
  assertEquals((await backend.verify()).issues, [
    `Table "attempts_default" is a partition of "attempts" ${bound}: expected a partition of "attempts" DEFAULT`,
  ]);
  await sql`CREATE TABLE attempts_others PARTITION OF attempts DEFAULT`;
  const { ok, issues, warnings } = await backend.verify();
  assertEquals([ok, issues, warnings], [true, [], []]);
  await using session = await locked(backend);
  for (let version = 10; version > 4; version--) await session.down(version, running());
  await session.upTogether([5, 6, 7, 8, 9, 10], running()).catch((error) =>
    assertStringIncludes(error.message, "anew")
  );
  for (const version of [5, 6, 7, 8, 9, 10]) await session.up(version, running());
  assertEquals((await backend.verify()).issues, []);
});
