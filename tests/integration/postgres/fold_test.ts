/** Steps that run as one end where the same steps end one by one. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { RefusedError, RegistryError } from "../../../engine/errors.ts";
import type postgres from "postgres";
import { eventually, meanwhile } from "../../support/server.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import {
  backendOver,
  contents,
  everything,
  locked,
  lockHolder,
  migrateTo,
  running,
  steps,
} from "./deployment.ts";
import { books, constraints, dump, quarantine } from "./ends.ts";
import { OWN_WORK } from "./own_work.ts";
import { fillAtRandom, writeAtRandom } from "./random_log.ts";

/** Another number plays other data; the gate plays the same every time. */
const SEED = Number(Deno.env.get("OUTPOST_TESTS_FOLD_SEED") ?? 0);

/** A log of a version, in which the application has written in the form of that version as well. */
async function logAt(sql: postgres.Sql, from: number): Promise<void> {
  await migrateTo(backendOver(sql), 4);
  await fillAtRandom(sql, SEED + from);
  if (from < 4) {
    await using session = await locked(backendOver(sql));
    for (let version = 4; version > from; version--) await session.down(version, running());
  }
  await migrateTo(backendOver(sql), from);
  if (from >= 5) await writeAtRandom(sql, from);
}

/** The steps' own statements run where anything hangs on a partition. */
async function keepInPlace(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`DO $$
    DECLARE leaf regclass;
    BEGIN
      FOR leaf IN SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r' LOOP
        EXECUTE format('COMMENT ON TABLE %s IS %L', leaf, 'kept');
      END LOOP;
    END $$`);
}

const ZONES = [
  "UTC",
  "Asia/Kolkata",
  "America/St_Johns",
  "Pacific/Chatham",
  "Africa/Monrovia",
  "Europe/Lisbon",
];

// From 1 to 3 differ from 4 in steps that run by themselves in any case; `ways_test.ts` draws 5 and 7 too.
for (const from of [2, 4, 6, 8]) {
  const zone = ZONES[(SEED + from) % ZONES.length]!;
  Deno.test(`Steps from version ${from} on end as one, each by exchange and each in place alike, in the zone ${zone}`, async () => {
    await using server = await startPostgres({ timezone: zone });
    const single = server.client(await server.createDatabase("single"), { max: 2 });
    await logAt(single, from);
    const folded = server.client(await server.copyDatabase("single", "folded"), { max: 2 });
    const plain = server.client(await server.copyDatabase("single", "plain"), { max: 2 });
    await keepInPlace(plain);
    const versions = Array.from({ length: 10 - from }, (_, i) => from + 1 + i);
    const together = versions.filter((version) => version > 4);
    const backend = backendOver(folded);
    assertEquals(await backend.group(versions), { together, apart: [] });
    const inPlace = await backendOver(plain).group(versions);
    assertEquals([inPlace.together, inPlace.apart.length > 0], [[], true]);
    await migrateTo(backendOver(single), 10);
    await migrateTo(backendOver(plain), 10);
    await migrateTo(backend, together[0]! - 1);
    {
      await using session = await locked(backend);
      await session.upTogether(together, running());
    }
    assertEquals((await backend.verify()).issues, []);
    const dumped = await dump(server, "plain");
    const rows = await contents(plain);
    for (const [name, sql] of [["single", single], ["folded", folded]] as const) {
      assertEquals(await dump(server, name), dumped, name);
      assertEquals(await constraints(sql), await constraints(plain), name);
      assertEquals(await contents(sql), rows, name);
      assertEquals(await books(sql), await books(plain), name);
      assertEquals(await quarantine(sql), await quarantine(plain), name);
    }
    // The way back goes over the same tables, once they have nothing that jsonb cannot hold.
    for (const sql of [single, folded, plain]) {
      await sql.unsafe(
        "DELETE FROM events WHERE id LIKE 'late_%'; DELETE FROM attempts WHERE id LIKE 'late_%'",
      );
      await using session = await locked(backendOver(sql));
      for (let version = 10; version > 3; version--) await session.down(version, running());
    }
    const [back, before] = [await dump(server, "plain"), await contents(plain)];
    for (const [name, sql] of [["single", single], ["folded", folded]] as const) {
      assertEquals(await dump(server, name), back, name);
      assertEquals(await contents(sql), before, name);
    }
  });
}

const VERSIONS = [5, 6, 7, 8, 9, 10];

/** A log at version 4 with a little of everything. */
async function start(server: PostgresServer) {
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 2 });
  await migrateTo(backendOver(sql), 4);
  await fillAtRandom(sql, 1);
  return { url, sql, backend: backendOver(sql) };
}

Deno.test("Steps run one by one where anything of an operator's would be lost, and the plan says why", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  for (const [add, remove] of OWN_WORK) {
    await sql.unsafe(add);
    const { together, apart } = await backend.group(VERSIONS);
    assertEquals([together, apart.length > 0], [[], true], add);
    const plan = await backend.plan(VERSIONS, { together: true });
    assertEquals(plan.grouping, { together, apart });
    assert(!plan.steps[0]!.statements.some((text) => text.includes("outpost_new_")), add);
    {
      await using session = await locked(backend);
      await assertRejects(
        () => session.upTogether(VERSIONS, running()),
        RefusedError,
        "Cannot make the tables anew",
        add,
      );
    }
    await sql.unsafe(remove);
    assertEquals((await backend.group(VERSIONS)).together, VERSIONS, remove);
  }
});

/** What there is to lose of a table and of its columns, by what it is called after the steps. */
async function possessions(sql: postgres.Sql): Promise<unknown> {
  return [
    ...await sql`SELECT replace(c.relname, 'deliveries', 'attempts') AS name, c.relacl::text, c.reloptions, c.relreplident,
        pg_get_userbyid(c.relowner) AS owner, obj_description(c.oid, 'pg_class') AS comment,
        (SELECT spcname FROM pg_tablespace t WHERE t.oid = c.reltablespace) AS tablespace,
        (SELECT amname FROM pg_am WHERE pg_am.oid = c.relam) AS method,
        (SELECT json_agg(json_build_array(attname, attacl::text, attstattarget, attstorage, attoptions, col_description(c.oid, attnum))
                         ORDER BY attname)
           FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND (attacl IS NOT NULL OR coalesce(attstattarget, -1) >= 0 OR attoptions IS NOT NULL
                 OR col_description(c.oid, attnum) IS NOT NULL)) AS columns
      FROM pg_class c WHERE c.relname ~ '^(events|deliveries|attempts)(_default)?$' AND c.relkind IN ('r', 'p') ORDER BY 1`,
  ];
}

/** Makes a place for tables, where the server lets a test do so. */
async function makeTablespace(sql: postgres.Sql): Promise<boolean> {
  const [setting] = await sql`SELECT current_setting('allow_in_place_tablespaces', true) AS known`;
  if (setting!.known === null) return false;
  const session = await sql.reserve();
  await session`SET allow_in_place_tablespaces = on`;
  await session`CREATE TABLESPACE elsewhere LOCATION ''`;
  session.release();
  return true;
}

for (const way of ["as one", "as prepared"]) {
  Deno.test(`What an operator has on the tables themselves, and who may do what, survives steps that run ${way}`, async () => {
    await using server = await startPostgres();
    const { url, sql, backend } = await start(server);
    await sql.unsafe(
      `CREATE ROLE app; GRANT SELECT, INSERT ON events, deliveries TO app; GRANT UPDATE (code) ON deliveries TO app;
      CREATE ROLE "the reader"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "the reader";
      GRANT INSERT ON deliveries_default TO app WITH GRANT OPTION; GRANT SELECT ON deliveries_default TO PUBLIC;
      REVOKE TRUNCATE ON deliveries_default FROM postgres;
      ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT SELECT, UPDATE, DELETE ON TABLES TO "the reader", PUBLIC;
      COMMENT ON TABLE deliveries IS 'ours'; COMMENT ON COLUMN events.topic IS 'what it is about';
      ALTER TABLE ONLY events ALTER topic SET STATISTICS 500; ALTER TABLE events REPLICA IDENTITY FULL`,
    );
    // Whatever is set for new tables, theirs is the place of the old ones.
    const elsewhere = await makeTablespace(sql);
    const settings = elsewhere ? { default_tablespace: "elsewhere" } : {};
    const client = server.client(url, { max: 2, connection: settings });
    assertEquals((await backend.group(VERSIONS)).apart, []);
    await using session = await locked(backendOver(client));
    if (way === "as prepared") {
      await session.prepare!(VERSIONS, running());
      const [copy] =
        await sql`SELECT has_table_privilege('the reader', 'outpost_prepared_2', 'DELETE') AS may`;
      assertEquals(copy!.may, false, "nobody may do more with what is prepared");
    }
    await sql.unsafe("GRANT DELETE ON deliveries_default TO app");
    const before = await possessions(sql);
    await session.upTogether(VERSIONS, running());
    assertEquals(await possessions(sql), before);
  });
}

Deno.test("An option that the server itself writes on every column keeps no steps apart", async () => {
  await using server = await startPostgres({ allow_system_table_mods: "on" });
  const sql = server.client(await server.createDatabase(), { max: 1 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const write = (option: string) =>
    sql`UPDATE pg_attribute SET attoptions = ${
      sql.array([option])
    } WHERE attrelid = 'events_default'::regclass AND attnum > 0`;
  await write("pg_attver=26698896");
  assertEquals((await backend.group(VERSIONS)).apart, []);
  await write("n_distinct=5");
  assertEquals((await backend.group(VERSIONS)).apart.length, 1);
});

Deno.test("What an operator has on a partition survives steps that run one by one", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  for (const leaf of ["events_default", "deliveries_default"]) {
    await sql.unsafe(
      `CREATE ROLE app_${leaf}; GRANT SELECT ON ${leaf} TO app_${leaf}; GRANT UPDATE (id) ON ${leaf} TO app_${leaf};
      ALTER TABLE ${leaf} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01), REPLICA IDENTITY FULL,
        ALTER id SET STATISTICS 500, ALTER id SET STORAGE EXTERNAL, ALTER id SET (n_distinct = -1);
      COMMENT ON TABLE ${leaf} IS 'mine'; COMMENT ON COLUMN ${leaf}.time IS 'when'`,
    );
  }
  if (await makeTablespace(sql)) await sql`ALTER TABLE deliveries_default SET TABLESPACE elsewhere`;
  const before = await possessions(sql);
  const { together, apart } = await backend.group(VERSIONS);
  assertEquals([together, apart.length > 5], [[], true]);
  await migrateTo(backend, 10);
  assertEquals(await possessions(sql), before);
});

Deno.test("Steps that run as one are done or not, wherever they are cut off", async () => {
  await using server = await startPostgres();
  const { sql, backend } = await start(server);
  const before = await everything(sql);
  const { steps } = await backend.plan(VERSIONS, { together: true });
  const count = steps.reduce((sum, { statements }) => sum + statements.length, 0);
  for (let at = 1; at <= count; at += 9) {
    await using session = await locked(backend);
    const pid = await lockHolder(sql);
    let seen = 0;
    const run = session.upTogether(
      VERSIONS,
      running({
        onStatement: () => void (++seen === at && sql`SELECT pg_terminate_backend(${pid})`.execute()),
      }),
    );
    await run.then(() => {}, () => {});
    const { version } = await backend.read();
    if (version === 4) assertEquals(await everything(sql), before);
    else break;
  }
  const { version } = await backend.read();
  if (version === 4) {
    await using session = await locked(backend);
    await session.upTogether(VERSIONS, running());
  }
  assertEquals(await backend.verify().then(({ issues }) => issues), []);
});

Deno.test("Readers go on beside steps that run as one, and long ones are waited for outside of the queue", async () => {
  await using server = await startPostgres();
  const { url, sql, backend } = await start(server);
  const long = await server.client(url, { max: 1 }).reserve();
  await long`BEGIN`;
  await long`SELECT count(*) FROM events`;
  await using session = await locked(backend);
  const reasons: string[] = [];
  const begun: string[] = [];
  const done = meanwhile(session.upTogether(
    VERSIONS,
    running({
      onRetry: (_attempt, _wait, reason) => void reasons.push(reason),
      onStatement: (_index, _count, text) => void begun.push(text),
    }),
  ));
  await eventually(async () => {
    await sql`SELECT count(*) FROM deliveries`;
    assert(reasons.length >= 2);
  });
  await long`COMMIT`;
  long.release();
  await done;
  assertEquals(
    begun.filter((text) => text.startsWith("INSERT INTO outpost_new_1")).length,
    1,
    "the work was done once",
  );
  assertEquals((await backend.read()).version, 10);
});

Deno.test("A step that its up() does not run is not recorded among those that run as one, nor alone", async () => {
  await using server = await startPostgres();
  for (const versions of [[5, 6, 7, 8, 9, 10], [6]]) {
    const sql = server.client(await server.createDatabase(), { max: 2 });
    await logAt(sql, versions[0]! - 1);
    const before = await everything(sql);
    const idle = steps.map((module) =>
      module.step.version === 6 ? { ...module, up: () => Promise.resolve() } : module
    );
    await using session = await locked(backendOver(sql, { steps: idle }));
    const run = versions.length > 1
      ? session.upTogether!(versions, running())
      : session.up(versions[0]!, running());
    await assertRejects(() => run, RegistryError, "its up() did not run it up");
    assertEquals(await everything(sql), before);
  }
});
