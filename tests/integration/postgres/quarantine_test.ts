/** What step 5 keeps of event_delivery_index stays where it lies, and reads like any other row of the quarantine. */

import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { RefusedError } from "../../../engine/errors.ts";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, contents, fill, locked, migrateTo, running } from "./deployment.ts";

const ID = "sql/000005";

/** File of a table on the server's disk. */
async function fileOf(sql: postgres.Sql, table: string): Promise<unknown> {
  const [row] = await sql`SELECT pg_relation_filenode(${table}::text::regclass) AS file`;
  return row!.file;
}

const kindOf = async (sql: postgres.Sql) =>
  (await sql`SELECT relkind FROM pg_class WHERE oid = to_regclass('outpost_quarantine')`)[0]?.relkind;

const kept = async (sql: postgres.Sql) =>
  (await sql`SELECT row FROM outpost_quarantine WHERE source_table = 'event_delivery_index' ORDER BY row::text`)
    .map(({ row }) => row);

const indexRows = async (sql: postgres.Sql) =>
  (await sql`SELECT to_jsonb(i) AS row FROM event_delivery_index i ORDER BY to_jsonb(i)::text`)
    .map(({ row }) => row);

async function start(server: Awaited<ReturnType<typeof startPostgres>>) {
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  return { sql, backend };
}

Deno.test("Step 5 copies no row of event_delivery_index, and the quarantine has all of them", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await fill(sql, 400);
  // A partition of the operator's own.
  await sql.unsafe(`ALTER TABLE event_delivery_index DETACH PARTITION event_delivery_index_default;
    CREATE TABLE "Mine" PARTITION OF event_delivery_index FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    ALTER TABLE event_delivery_index ATTACH PARTITION event_delivery_index_default DEFAULT;
    INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
    SELECT event_id, delivery_id, tenant_id, destination_id, event_time, '2024-02-02', topic, status FROM event_delivery_index`);
  const [before, file] = [await indexRows(sql), await fileOf(sql, "event_delivery_index_default")];
  await migrateTo(backend, 5);
  assertEquals(await kept(sql), before);
  const [moved] = await sql`SELECT relname FROM pg_class WHERE pg_relation_filenode(oid) = ${file as number}`;
  assertEquals(moved!.relname.startsWith("outpost_quarantine_index_"), true);
  assertEquals(
    [
      ...await sql`SELECT column_name AS name, data_type AS type FROM information_schema.columns
                    WHERE table_name = 'outpost_quarantine' ORDER BY ordinal_position`,
    ].map(({ name, type }) => `${name} ${type}`),
    [
      "id bigint",
      "migration text",
      "source_table text",
      "row jsonb",
      "quarantined_at timestamp with time zone",
    ],
  );
  const [ids] =
    await sql`SELECT count(*) = count(DISTINCT id) AS unique, bool_and(migration = ${ID}) AS named,
                                max(now() - quarantined_at) < interval '1 hour' AS timed FROM outpost_quarantine`;
  assertEquals({ ...ids }, { unique: true, named: true, timed: true });
  {
    await using session = await locked(backend);
    await session.down(5, running());
  }
  assertEquals(await indexRows(sql), before);
  assertEquals([await kindOf(sql), (await sql`SELECT FROM outpost_quarantine`).length], ["r", 0]);
});

Deno.test("An index table that had no rows leaves a quarantine that is a table", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await migrateTo(backend, 10);
  assertEquals(await kindOf(sql), "r");
  const [left] =
    await sql`SELECT count(*)::int AS n FROM pg_class WHERE relname LIKE 'outpost_quarantine_index%'`;
  assertEquals(left!.n, 0);
});

Deno.test("cleanup() does away with the index table, and a way down finds nothing of it", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  const { orphans, indexRows: rows } = await fill(sql);
  await migrateTo(backend, 10);
  await sql`INSERT INTO outpost_quarantine (migration, source_table, row) VALUES ('sql/000099', 'x', '{}')`;
  await using session = await locked(backend);
  assertEquals(await session.cleanup(5, running()), orphans + rows);
  assertEquals([...await sql`SELECT migration FROM outpost_quarantine`], [{ migration: "sql/000099" }]);
  assertEquals(await kindOf(sql), "r");
  for (let version = 10; version > 4; version--) await session.down(version, running());
  assertEquals(await indexRows(sql), []);
});

Deno.test("Rows of a second index table, which a released Outpost made on its way down, join those of the first", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await fill(sql);
  const first = await indexRows(sql);
  await migrateTo(backend, 5);
  // The other tool knows nothing of the quarantine.
  const parts = [
    ["VIEW", "outpost_quarantine"],
    ["TABLE", "outpost_quarantine_rows"],
    ["TABLE", "outpost_quarantine_index"],
  ];
  for (const [kind, name] of parts) await sql.unsafe(`ALTER ${kind} ${name} RENAME TO away_${name}`);
  {
    await using session = await locked(backend);
    await session.down(5, running());
  }
  for (const [kind, name] of parts) await sql.unsafe(`ALTER ${kind} away_${name} RENAME TO ${name}`);
  await sql`INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
            VALUES ('e', 'd', 't', 'dest', now(), now(), 'x', 'success')`;
  const second = await indexRows(sql);
  await migrateTo(backend, 10);
  const all = [...first, ...second].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  assertEquals((await kept(sql)).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), all);
  const before = await contents(sql);
  await using session = await locked(backend);
  for (let version = 10; version > 4; version--) await session.down(version, running());
  assertNotEquals(before, await contents(sql));
  assertEquals((await indexRows(sql)).length, all.length);
});

Deno.test("What a quarantine showed that somebody dropped counts, comes back and is cleaned up as before", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  const { orphans, indexRows: rows } = await fill(sql);
  const before = await contents(sql);
  await migrateTo(backend, 5);
  const shown = await sql`SELECT to_jsonb(q) AS row FROM outpost_quarantine q ORDER BY id`;
  await sql`DROP VIEW outpost_quarantine`;
  assertEquals((await backend.planCleanup(5))?.rows, orphans + rows);
  await using session = await locked(backend);
  await session.up(6, running());
  assertEquals([...await sql`SELECT to_jsonb(q) AS row FROM outpost_quarantine q ORDER BY id`], [...shown]);
  await sql`DROP VIEW outpost_quarantine`;
  await session.down(6, running());
  await sql`DROP VIEW outpost_quarantine`;
  await session.down(5, running());
  assertEquals(await contents(sql), before);
  await session.up(5, running());
  await sql`DROP VIEW outpost_quarantine`;
  assertEquals(await session.cleanup(5, running()), orphans + rows);
  assertEquals([await kindOf(sql), (await backend.planCleanup(5))?.rows], ["r", 0]);
});

Deno.test("A quarantine that somebody dropped is its owner's again, and not that of an administrator who runs a step", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url);
  await admin.unsafe(`CREATE ROLE migrator LOGIN; GRANT ALL ON SCHEMA public TO migrator;
    ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO migrator`);
  const sql = server.client(url.replace("postgres@", "migrator@"), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const { orphans, indexRows: rows } = await fill(sql);
  await migrateTo(backend, 5);
  await sql`DROP VIEW outpost_quarantine`;
  const refused = await assertRejects(() => migrateTo(backendOver(admin), 6), RefusedError);
  assertStringIncludes(String(refused.hint), "run as its owner");
  await migrateTo(backend, 6);
  assertEquals((await backend.planCleanup(5))?.rows, orphans + rows);
  await using session = await locked(backend);
  assertEquals(await session.cleanup(5, running()), orphans + rows);
});

Deno.test("prepare() says of a quarantine that somebody dropped what it says of the view", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await fill(sql);
  await migrateTo(backend, 5);
  // A released Outpost takes step 5 back.
  const parts = [["VIEW", "outpost_quarantine"], ["TABLE", "outpost_quarantine_rows"], [
    "TABLE",
    "outpost_quarantine_index",
  ]];
  for (const [kind, name] of parts) await sql.unsafe(`ALTER ${kind} ${name} RENAME TO away_${name}`);
  await using session = await locked(backend);
  await session.down(5, running());
  for (const [kind, name] of parts) await sql.unsafe(`ALTER ${kind} away_${name} RENAME TO ${name}`);
  await sql`DROP VIEW outpost_quarantine`;
  await assertRejects(
    () => session.prepare!([5, 6, 7, 8, 9, 10], running()),
    RefusedError,
    '"outpost_quarantine" is no table',
  );
});

Deno.test("A quarantine whose index table somebody did away with is a table again", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  const { orphans } = await fill(sql);
  await migrateTo(backend, 5);
  await sql`DROP TABLE outpost_quarantine_index CASCADE`;
  assertEquals((await backend.planCleanup(5))?.rows, orphans);
  await using session = await locked(backend);
  await session.down(5, running());
  assertEquals([await kindOf(sql), (await sql`SELECT FROM outpost_quarantine`).length], ["r", 0]);
  assertEquals(
    (await sql`SELECT FROM deliveries d WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)`)
      .length,
    orphans,
  );
  await session.up(5, running());
});

Deno.test("planDown() warns of values in the quarantine that have no place on the way down", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  const { orphans, indexRows: rows } = await fill(sql);
  await migrateTo(backend, 5);
  const warned = async () =>
    (await backend.planDown(1)).warnings.filter((text) => text.includes("the operator's own"));
  assertEquals(await warned(), []);
  await using session = await locked(backend);
  await session.down(5, running());
  await sql.unsafe(
    `ALTER TABLE deliveries ADD COLUMN note text; ALTER TABLE event_delivery_index ADD COLUMN note text`,
  );
  await session.up(5, running());
  assertEquals(await warned(), [
    `${orphans + rows} rows in outpost_quarantine lose the values of columns that are the operator's own`,
  ]);
});

Deno.test("A view in place of the quarantine is trusted only where its owner runs this, or may do anything anyway", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  await fill(sql);
  await migrateTo(backend, 5);
  await sql.unsafe(`CREATE ROLE mallory; ALTER VIEW outpost_quarantine OWNER TO mallory;
    ALTER DATABASE ${(await sql`SELECT current_database() AS name`)[0]!.name} OWNER TO mallory`);
  await using session = await locked(backend);
  await assertRejects(() => session.cleanup(5, running()), RefusedError, "no ordinary table");
  await assertRejects(() => session.up(6, running()), RefusedError, "no ordinary table");
});
