import { assertEquals } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, contents, fill, locked, migrateTo, running } from "./deployment.ts";

for (const way of ["by exchange", "in place"]) {
  Deno.test(`up() of step 5 carries the event over and quarantines the rest, ${way}`, async () => {
    await using server = await startPostgres();
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, 4);
    const { orphans, indexRows } = await fill(sql);
    if (way === "in place") await sql`CREATE INDEX mine ON deliveries_default (code)`;
    const deliveries =
      await sql`SELECT to_jsonb(d) AS row FROM deliveries d WHERE event_id LIKE 'evt_gone%' ORDER BY id`;
    const index = await sql`SELECT to_jsonb(i) AS row FROM event_delivery_index i ORDER BY delivery_id`;
    const expected = await sql`
      SELECT d.id, d.event_id, d.destination_id, d.status, d.time, d.code, d.response_data, d.manual, d.attempt AS attempt_number,
             e.tenant_id, e.topic, e.time AS event_time, e.eligible_for_retry, e.data AS event_data, e.metadata AS event_metadata
        FROM deliveries d JOIN events e ON e.id = d.event_id WHERE e.id <> 'evt_twin' ORDER BY d.id`;
    await migrateTo(backend, 5);
    assertEquals([...await sql`SELECT * FROM attempts WHERE event_id <> 'evt_twin' ORDER BY id`], [
      ...expected,
    ]);
    assertEquals([
      ...await sql`SELECT id, tenant_id, topic FROM attempts WHERE event_id = 'evt_twin' ORDER BY id`,
    ], [
      // The event of its own destination, though another is closer.
      { id: "del_twin_a", tenant_id: "tenant_a", topic: "first" },
      // Neither destination is its own: the latest event before it.
      { id: "del_twin_late", tenant_id: "tenant_a", topic: "first" },
    ]);
    const kept = (table: string, by: string) =>
      sql`SELECT row FROM outpost_quarantine WHERE migration = 'sql/000005' AND source_table = ${table} ORDER BY row->>${by}`;
    assertEquals([...await kept("deliveries", "id")], [...deliveries]);
    assertEquals([...await kept("event_delivery_index", "delivery_id")], [...index]);
    assertEquals([deliveries.length, index.length], [orphans, indexRows]);
    const [own] = await sql`SELECT to_regclass('mine') IS NOT NULL AS there`;
    assertEquals(own!.there, way === "in place", "an index of the operator's own stays");
  });
}

Deno.test("up() of step 5 keeps grants, triggers, views and further partitions of the operator", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await sql.unsafe(`
    CREATE ROLE app;
    GRANT SELECT, INSERT ON events, deliveries TO app;
    CREATE TABLE deliveries_2024 PARTITION OF deliveries FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE audit (n int);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (1); RETURN NEW; END';
    CREATE TRIGGER noted AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION note();
    CREATE VIEW failures AS SELECT id, event_id FROM deliveries WHERE status = 'failed'`);
  await fill(sql);
  await sql`INSERT INTO deliveries (id, event_id, destination_id, status, time) VALUES ('old', 'evt_1', 'd', 'failed', '2024-06-01')`;
  const [noted] = await sql`SELECT count(*)::int AS n FROM audit`;
  const failures = await sql`SELECT * FROM failures WHERE event_id NOT LIKE 'evt_gone%' ORDER BY id`;
  await migrateTo(backend, 10);
  assertEquals((await sql`SELECT count(*)::int AS n FROM audit`)[0], noted, "no trigger fired");
  assertEquals([...await sql`SELECT * FROM failures ORDER BY id`], [...failures]);
  assertEquals([...await sql`SELECT tableoid::regclass::text AS part FROM attempts WHERE id = 'old'`], [{
    part: "deliveries_2024",
  }]);
  const [may] = await sql`SELECT has_table_privilege('app', 'attempts', 'INSERT') AS may`;
  assertEquals(may!.may, true);
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("up() of step 7 carries every destination over", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  const expected = await sql`
    SELECT id, CASE WHEN destination_id = '' THEN '{}' ELSE ARRAY[destination_id] END AS matched FROM events ORDER BY time, id`;
  await migrateTo(backend, 7);
  assertEquals([...await sql`SELECT id, matched_destination_ids AS matched FROM events ORDER BY time, id`], [
    ...expected,
  ]);
  // The column is an ordinary one again.
  await sql`INSERT INTO events (id, tenant_id, time, topic, eligible_for_retry, data, metadata)
    VALUES ('new', 't', now(), 'x', true, '{}', '{}')`;
  await sql`UPDATE events SET matched_destination_ids = '{a,b}' WHERE id = 'new'`;
});

Deno.test("All steps go up and down where partitions have partitions of their own, whatever triggers say of updates", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await sql.unsafe(
    ["events", "deliveries"].map((table) => `
    CREATE TABLE ${table}_2024 PARTITION OF ${table} FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY RANGE (time);
    CREATE TABLE ${table}_2024_h1 PARTITION OF ${table}_2024 FOR VALUES FROM ('2024-01-01') TO ('2024-07-01')`)
      .join(";"),
  );
  await sql.unsafe(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER keep BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION keep()`);
  await fill(sql);
  await sql`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
            VALUES ('old', 't', 'mine', '2024-03-03', 'x', true, '{}', '{}')`;
  const before = await contents(sql);
  const expected = await sql`
    SELECT id, CASE WHEN destination_id = '' THEN '{}' ELSE ARRAY[destination_id] END AS matched FROM events ORDER BY time, id`;
  const versions = [5, 6, 7, 8, 9, 10];
  assertEquals(await backend.blockers(versions), []);
  const shown = (await backend.plan(versions)).steps[2]!.statements;
  assertEquals(shown.filter((text) => text.includes("EXPRESSION")), []);
  const name = "with partitions of partitions";
  assertEquals((await backend.variants(versions))["sql/000007"], name);
  {
    await using session = await locked(backend);
    for (const version of versions) {
      await session.up(version, running(version === 7 ? { variant: name } : {}));
    }
  }
  assertEquals([...await sql`SELECT id, matched_destination_ids AS matched FROM events ORDER BY time, id`], [
    ...expected,
  ]);
  assertEquals((await backend.verify()).issues.filter((text) => !text.includes('Trigger "keep"')), []);
  const back = (await backend.planDown({ to: 4 })).steps.find(({ id }) => id === "sql/000007")!.statements;
  assertEquals(back.filter((text) => text.includes("EXPRESSION")), []);
  await using session = await locked(backend);
  for (const version of versions.toReversed()) await session.down(version, running());
  assertEquals(await contents(sql), before);
});

Deno.test("cleanup() empties the quarantine of its step alone", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const { orphans, indexRows } = await fill(sql);
  assertEquals((await backend.planCleanup(5))?.rows, 0, "nothing is there before the step");
  await migrateTo(backend, 10);
  await sql`INSERT INTO outpost_quarantine (migration, source_table, row) VALUES ('sql/000099', 'x', '{}')`;
  assertEquals(await backend.planCleanup(6), null);
  assertEquals((await backend.planCleanup(5))?.rows, orphans + indexRows);
  await using session = await locked(backend);
  assertEquals(await session.cleanup(5, running()), orphans + indexRows);
  assertEquals(await session.cleanup(5, running()), 0);
  assertEquals((await backend.planCleanup(5))?.rows, 0);
  assertEquals([...await sql`SELECT migration FROM outpost_quarantine`], [{ migration: "sql/000099" }]);
});

for (const way of ["by exchange", "in place"]) {
  Deno.test(`Step 5 names the columns, there and back, where a partition has them in another order, ${way}`, async () => {
    await using server = await startPostgres();
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, 4);
    await sql.unsafe(`
      ALTER TABLE deliveries DETACH PARTITION deliveries_default;
      DROP TABLE deliveries_default;
      CREATE TABLE deliveries_default (attempt integer NOT NULL DEFAULT 0, status text NOT NULL, event_id text NOT NULL,
        id text NOT NULL, response_data jsonb, manual boolean NOT NULL DEFAULT false, destination_id text NOT NULL, code text,
        time timestamptz NOT NULL);
      ALTER TABLE deliveries_default ADD CONSTRAINT deliveries_default_pkey PRIMARY KEY (time, id);
      ALTER TABLE deliveries ATTACH PARTITION deliveries_default DEFAULT`);
    if (way === "in place") await sql`CREATE INDEX mine ON deliveries_default (code)`;
    await fill(sql);
    const rows = () =>
      sql`SELECT id, event_id, destination_id, status, time, code, response_data, manual, attempt
                             FROM deliveries ORDER BY id`;
    const before = [...await rows()];
    await migrateTo(backend, 5);
    const kept = before.filter(({ event_id }) => !event_id.startsWith("evt_gone"));
    assertEquals([
      ...await sql`SELECT id, event_id, destination_id, status, time, code, response_data, manual, attempt_number AS attempt
                     FROM attempts ORDER BY id`,
    ], kept);
    {
      await using session = await locked(backend);
      await session.down(5, running());
    }
    assertEquals([...await rows()], before);
  });
}

Deno.test("down() of step 5 keeps a quarantined row in the quarantine where an attempt has its key", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const { orphans, indexRows } = await fill(sql);
  await migrateTo(backend, 5);
  const [taken] = await sql<{ id: number; row: { id: string } }[]>`
    SELECT id::int, row FROM outpost_quarantine WHERE source_table = 'deliveries' ORDER BY id LIMIT 1`;
  await sql`
    INSERT INTO attempts (id, event_id, destination_id, status, time, tenant_id, topic, event_time, eligible_for_retry, event_data,
           event_metadata)
    SELECT row->>'id', 'evt_1', 'other', 'success', (row->>'time')::timestamptz, 't', 'x', now(), true, '{}', '{}'
      FROM outpost_quarantine WHERE id = ${taken!.id}`;
  // Left by an earlier way down and up again: the same row twice.
  await sql`INSERT INTO outpost_quarantine (migration, source_table, row)
    SELECT migration, source_table, row || '{"status": "again"}' FROM outpost_quarantine
     WHERE source_table = 'event_delivery_index' ORDER BY id LIMIT 1`;
  // A trigger of the operator's own that refuses rows.
  await sql.unsafe(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN IF NEW.id = 'del_16' THEN RETURN NULL; END IF; RETURN NEW; END$$;
    CREATE TRIGGER refused BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION refuse()`);
  {
    await using session = await locked(backend);
    await session.down(5, running());
  }
  const left =
    await sql`SELECT source_table, row->>'id' AS id, row->>'status' AS status FROM outpost_quarantine ORDER BY id`;
  assertEquals(left.map(({ source_table, id, status }) => [source_table, id ?? status]), [
    ["deliveries", "del_16"],
    ["deliveries", "del_8"],
    ["event_delivery_index", "again"],
  ]);
  const [there] = await sql`SELECT destination_id FROM deliveries WHERE id = ${taken!.row.id}`;
  assertEquals(there!.destination_id, "other");
  const [counts] = await sql`
    SELECT (SELECT count(*)::int FROM deliveries WHERE event_id LIKE 'evt_gone%') AS back,
           (SELECT count(*)::int FROM event_delivery_index) AS index`;
  assertEquals({ ...counts }, { back: orphans - 2, index: indexRows });
});
