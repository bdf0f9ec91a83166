/** What keeps tables from being prepared, and what is prepared from being used: nothing is lost then, and nothing is left behind. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { BlockedError, RefusedError } from "../../../engine/errors.ts";
import { createOutpostEngine } from "../../../migrations/mod.ts";
import { postgresFolders, type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { findProgram } from "../../support/server.ts";
import { backendOver, contents, everything, fill, locked, migrateTo, running } from "./deployment.ts";
import { OWN_WORK } from "./own_work.ts";

const VERSIONS = [5, 6, 7, 8, 9, 10];

async function start(server: PostgresServer) {
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  const prepare = async (batches = Infinity) => {
    await using session = await locked(backend);
    const stop = new AbortController();
    let done = 0;
    const work = session.prepare!(VERSIONS, {
      ...running({ signal: stop.signal }),
      batchSize: 7,
      onPrepared: () => void (++done === batches && stop.abort()),
    });
    await (batches === Infinity ? work : work.catch(() => {}));
  };
  const abort = async () => {
    await using session = await locked(backend);
    return await session.abortPrepared!(running());
  };
  const switchOver = async () => {
    await using session = await locked(backend);
    await session.upTogether(VERSIONS, running());
  };
  return { url, sql, backend, prepare, abort, switchOver };
}

/** Triggers, functions and tables of a preparation. */
async function leftBehind(sql: postgres.Sql): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'outpost\\_prepared%'`;
  return rows.map(({ name }) => name);
}

Deno.test("Nothing is prepared where anything of an operator's would be lost", async () => {
  await using server = await startPostgres();
  const { sql, prepare, abort } = await start(server);
  const before = await everything(sql);
  for (const [add, remove] of OWN_WORK) {
    await sql.unsafe(add);
    await assertRejects(() => prepare(), RefusedError, "Cannot prepare beside the application", add);
    await sql.unsafe(remove);
    assertEquals(await leftBehind(sql), [], add);
  }
  assertEquals(await abort(), false);
  assertEquals(await everything(sql), before);
});

Deno.test("What is prepared is of no use once a write may have gone unseen, and the tables stay as they are", async () => {
  await using server = await startPostgres();
  const changes = [
    "ALTER TABLE deliveries_default DISABLE TRIGGER outpost_prepared_note;; ALTER TABLE deliveries_default ENABLE ALWAYS TRIGGER outpost_prepared_note",
    "ALTER TABLE events DETACH PARTITION events_default;; ALTER TABLE events ATTACH PARTITION events_default DEFAULT",
    "VACUUM FULL events_default",
    "DROP TRIGGER outpost_prepared_keep ON events_default",
    "ALTER TABLE deliveries_default SET (fillfactor = 90)",
    "CREATE VIEW mine AS SELECT id FROM deliveries_default",
    "CREATE OR REPLACE FUNCTION outpost_prepared_note_1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
  ];
  for (const change of changes) {
    const { sql, backend, prepare, abort, switchOver } = await start(server);
    await prepare();
    assertEquals((await backend.blockers(VERSIONS)).filter(({ kind }) => kind === "prepared"), []);
    for (const text of change.split(";; ")) await sql.unsafe(text);
    const before = await contents(sql);
    await assertRejects(() => switchOver(), RefusedError, undefined, change);
    assertEquals((await backend.read()).version, 4);
    assertEquals(await abort(), true, change);
    assertEquals(await leftBehind(sql), [], change);
    assertEquals(await contents(sql), before);
    const [kept] = await sql`SELECT count(*)::int AS n FROM outpost_quarantine`;
    assertEquals(kept!.n, 0);
  }
});

Deno.test("Tables that are being prepared are not truncated", async () => {
  await using server = await startPostgres();
  const { sql, prepare, switchOver, backend } = await start(server);
  await prepare();
  for (const table of ["events", "deliveries_default"]) {
    const error = await assertRejects(() => sql.unsafe(`TRUNCATE ${table}`));
    assertStringIncludes((error as Error).message, "is being prepared");
  }
  await switchOver();
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("What is not finished is not used: apply refuses, or takes it away when it is told to", async () => {
  await using server = await startPostgres();
  const { sql, backend, prepare } = await start(server);
  const single = server.client(await server.createDatabase(), { max: 2 });
  await migrateTo(backendOver(single), 4);
  await fill(single);
  await migrateTo(backendOver(single), 10);
  await prepare(5);
  const { prepared } = await backend.read();
  assertEquals([prepared?.ready, prepared?.versions, prepared?.problem], [false, VERSIONS, null]);
  assert(prepared!.phase.startsWith("copying"));
  const engine = createOutpostEngine({
    postgres: sql,
    deploymentId: "",
    version: "0.0.0-test",
    owner: { host: "host", pid: 1 },
  });
  const blocked = await assertRejects(() => engine.apply(), BlockedError, "it is not finished");
  assertEquals((blocked as BlockedError).blockers.map(({ kind }) => kind), ["prepared"]);
  await assertRejects(
    () => engine.apply({ ids: ["sql/5"] }),
    BlockedError,
    "it is for the versions 5 to 10, all at once",
  );
  await assertRejects(() => engine.down(1), RefusedError, "Cannot change single versions");
  await assertRejects(() => engine.force(3), RefusedError, "Cannot change single versions");
  await assertRejects(() => engine.assertCurrent(), undefined, "pending");
  assertEquals((await engine.plan()).blockers.map(({ kind }) => kind), ["prepared"]);
  const plan = await engine.plan({ noPrepared: true });
  assertEquals([plan.blockers, plan.postgres?.grouping?.prepared], [[], undefined]);
  await engine.apply({ noPrepared: true });
  assertEquals(await leftBehind(sql), []);
  assertEquals(await contents(sql), await contents(single));
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("What is not finished is refused by the session itself, and so is a database without an encoding", async () => {
  await using server = await startPostgres();
  const { sql, prepare, switchOver, backend } = await start(server);
  await prepare(5);
  await assertRejects(() => switchOver(), RefusedError, "it is not finished");
  assertEquals((await backend.read()).version, 4);
  await prepare();
  await sql.unsafe(
    `CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  const bytes = backendOver(
    server.client((await server.createDatabase()).replace(/[^/]+$/, "bytes"), { max: 2 }),
  );
  await migrateTo(bytes, 4);
  await using session = await locked(bytes);
  await assertRejects(() => session.prepare!(VERSIONS, running()), RefusedError, "no encoding");
});

Deno.test("Another tool may migrate beside what is prepared, which can then only be taken away", async () => {
  await using server = await startPostgres();
  const { url, sql, backend, prepare, abort } = await start(server);
  await prepare();
  const { success, stderr } = await new Deno.Command(
    findProgram("psql", "postgresql-client", postgresFolders()),
    {
      args: [
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        `--file=${new URL("../../../bench/postgres_released.sql", import.meta.url).pathname}`,
        url,
      ],
      stdout: "null",
    },
  ).output();
  assert(success, new TextDecoder().decode(stderr));
  await sql`UPDATE schema_migrations SET version = 10`;
  const { prepared } = await backend.read();
  assertEquals(prepared?.problem, "it is for version 4, and the database is at version 10");
  const [before] = await sql`SELECT count(*)::int AS n FROM outpost_quarantine`;
  assertEquals(await abort(), true);
  assertEquals(await leftBehind(sql), []);
  // What the other tool dropped is still kept aside.
  const [after] = await sql`SELECT count(*)::int AS n FROM outpost_quarantine`;
  assert(before!.n > 0);
  assertEquals(after, before);
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("What another tool took away on its way there and back stays kept aside, and the rest of it does not", async () => {
  await using server = await startPostgres();
  const { sql, prepare, abort } = await start(server);
  const keptIds = async () =>
    (await sql<{ id: string }[]>`SELECT row ->> 'id' AS id FROM outpost_quarantine ORDER BY 1`).map((
      { id },
    ) => id);
  // As long as every write is seen, the application alone takes rows away.
  await prepare();
  await sql`DELETE FROM deliveries WHERE id = 'del_8'`;
  assertEquals(await abort(), true);
  assertEquals(await keptIds(), []);
  await prepare();
  assertEquals(await keptIds(), ["del_16", "del_24", "del_32", "del_40"]);
  await sql.unsafe(`
    ALTER TABLE deliveries ADD COLUMN event_data jsonb;
    DELETE FROM deliveries d WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id) AND id <> 'del_16';
    ALTER TABLE deliveries DROP COLUMN event_data`);
  assertEquals(await abort(), true);
  assertEquals(await keptIds(), ["del_24", "del_32", "del_40"]);
  assertEquals(await leftBehind(sql), []);
});

Deno.test("Nothing is written to a quarantine that somebody else made", async () => {
  await using server = await startPostgres();
  const { sql, prepare } = await start(server);
  await sql.unsafe(`
    DROP TABLE IF EXISTS outpost_quarantine; CREATE ROLE stranger; GRANT CREATE ON SCHEMA public TO stranger; SET ROLE stranger;
    CREATE TABLE outpost_quarantine (id bigserial PRIMARY KEY, migration text NOT NULL, source_table text NOT NULL, row jsonb NOT NULL,
      quarantined_at timestamptz NOT NULL DEFAULT now());
    RESET ROLE`);
  await assertRejects(() => prepare(), RefusedError, "cannot be trusted");
  assertEquals(await leftBehind(sql), []);
});

Deno.test("A role that may only look is told as much as it may know", async () => {
  await using server = await startPostgres();
  const { url, sql, prepare } = await start(server);
  await prepare();
  await sql.unsafe(
    "CREATE ROLE looker LOGIN; GRANT SELECT ON schema_migrations, outpost_migrations TO looker",
  );
  const looking = server.client(url.replace("postgres@", "looker@"), { max: 1 });
  const { version, prepared } = await backendOver(looking).read();
  assertEquals([version, prepared?.ready, prepared?.problem], [
    4,
    false,
    'this role may not read "outpost_prepared"',
  ]);
});

Deno.test("It is told where the application's writes fail, since whoever prepared has lost a right", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  await admin.unsafe(`
    CREATE ROLE "the owner" LOGIN; CREATE ROLE writer LOGIN; REVOKE ALL ON SCHEMA public FROM public;
    GRANT ALL ON SCHEMA public TO "the owner"; GRANT USAGE ON SCHEMA public TO writer`);
  const own = server.client(url.replace("postgres@", "the%20owner@"), { max: 2 });
  await migrateTo(backendOver(own), 4);
  await own`GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO writer`;
  {
    await using session = await locked(backendOver(own));
    await session.prepare!(VERSIONS, running());
  }
  const write = async () => {
    const writer = server.client(url.replace("postgres@", "writer@"), { max: 1 });
    await writer`INSERT INTO deliveries (id, event_id, destination_id, status, time)
      VALUES (gen_random_uuid()::text, 'e', 'd', 'success', now())`;
  };
  const problems = async () => {
    const readers = [admin, server.client(url.replace("postgres@", "writer@"), { max: 1 })];
    return await Promise.all(readers.map(async (sql) => (await backendOver(sql).read()).prepared!.problem));
  };
  assertEquals(await problems(), [null, 'this role may not read "outpost_prepared"']);
  const rights = ["USAGE ON SCHEMA public", "INSERT ON public.outpost_prepared_notes_2"];
  for (const right of rights) {
    await admin.unsafe(`REVOKE ${right} FROM "the owner"`);
    const error = await assertRejects(write);
    assertEquals((error as { code?: string }).code, "42501");
    const [problem, same] = await problems();
    assertEquals(
      problem,
      `the application's writes fail, since the role "the owner" that notes them lacks a right: GRANT ${right} TO "the owner"`,
    );
    assertEquals(same, problem);
    await admin.unsafe(problem!.split(": ")[1]!);
    await write();
  }
  assertEquals((await problems())[0], null);
});
