import { assert, assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import type { SqlConsequence, SqlPlan } from "../../../engine/sql/sql_plan.ts";
import { StoreDeniedError } from "../../../engine/errors.ts";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, fill, locked, migrateTo, outpostSchema, running } from "./deployment.ts";

const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

async function count(sql: postgres.Sql, query: string): Promise<number> {
  return Number((await sql.unsafe<{ n: string }[]>(`SELECT count(*)::text AS n FROM ${query}`))[0]!.n);
}

/** File of each partition: a rewrite gives a new one. */
async function files(sql: postgres.Sql): Promise<Map<string, string>> {
  const rows = await sql.unsafe<{ name: string; file: string }[]>(
    `SELECT relname AS name, relfilenode::text AS file FROM pg_class WHERE relkind = 'r'`,
  );
  return new Map(rows.map(({ name, file }) => [name, file]));
}

/** Applies the plan step by step and checks each consequence against what became of the database. */
async function comesTrue(sql: postgres.Sql, plan: SqlPlan): Promise<void> {
  const backend = backendOver(sql);
  const quarantined = (table: string) =>
    count(sql, `outpost_quarantine WHERE migration = 'sql/000005' AND source_table = '${table}'`);
  for (const step of plan.steps) {
    const before = { schema: await outpostSchema(sql), files: await files(sql) };
    const rowsBefore = new Map<string, number>();
    for (const { name } of before.schema) rowsBefore.set(name, await count(sql, `"${name}"`));
    for (const table of step.tables) {
      assertEquals(table.rows, rowsBefore.get(table.name), `${step.id}: rows of ${table.name}`);
    }
    await using session = await locked(backend);
    await session.up(Number(step.id.slice(4)), running());
    const after = { schema: await outpostSchema(sql), files: await files(sql) };
    const columns = (schema: typeof after.schema, table: string) =>
      schema.find(({ name }) => name === table)?.columns.map(({ name }) => name) ?? [];
    const check: Record<SqlConsequence["kind"], (consequence: SqlConsequence) => Promise<void>> = {
      async rows_quarantined({ table, rows }) {
        assertEquals(await quarantined(table), rows);
      },
      rows_deleted: () => Promise.reject(new Error("No step deletes rows")),
      column_dropped({ table, detail, rows }) {
        const column = detail.split(",")[0]!;
        assertEquals(columns(before.schema, table).includes(column), true, `${column} was there`);
        assertEquals(columns(after.schema, table).includes(column), false, `${column} is gone`);
        assertEquals(rowsBefore.get(table), rows);
        return Promise.resolve();
      },
      table_dropped({ table, rows }) {
        assertEquals(after.schema.some(({ name }) => name === table), false, `${table} is gone`);
        assertEquals(rowsBefore.get(table), rows);
        return Promise.resolve();
      },
      async table_rewritten({ table, rows }) {
        const now = table === "deliveries" ? "attempts" : table;
        assertEquals(
          before.files.get(`${table}_default`) !== after.files.get(`${now}_default`),
          true,
          `${table} rewritten`,
        );
        assertEquals(await count(sql, now), rows);
      },
      async index_built({ table, detail, rows }) {
        const had = before.schema.flatMap(({ indexes }) => indexes.map(({ name }) => name));
        const has = after.schema.find(({ name }) => name === table)!.indexes.map(({ name }) => name);
        for (const index of detail.split(", ")) {
          assertEquals([had.includes(index), has.includes(index)], [false, true], index);
        }
        assertEquals(await count(sql, table), rows);
      },
    };
    for (const consequence of step.consequences) await check[consequence.kind](consequence);
    // Nothing happened that was not told.
    const told = (kind: SqlConsequence["kind"]) =>
      step.consequences.filter((one) => one.kind === kind).map(({ table }) => table);
    const gone = before.schema.filter(({ partitionOf }) => partitionOf === null).map(({ name }) => name)
      .filter((name) => name !== "deliveries" && !after.schema.some((table) => table.name === name));
    assertEquals(gone, told("table_dropped"), `${step.id}: tables dropped`);
    for (const name of ["events", "attempts"]) {
      const partition = `${name}_default`;
      const rewritten = before.files.has(partition) &&
        before.files.get(partition) !== after.files.get(partition);
      assertEquals(told("table_rewritten").includes(name), rewritten, `${step.id}: ${name} rewritten`);
      assertEquals(step.tables.find((table) => table.name === name)?.rewrite ?? false, rewritten);
    }
  }
}

Deno.test("plan() from version 4 tells what then happens, with orphans, links, twins and index rows", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const { events, deliveries, orphans, indexRows } = await fill(sql);
  const plan = await backend.plan([5, 6, 7, 8, 9, 10]);
  assertEquals([plan.current, plan.latest, plan.steps.length], [4, 10, 6]);
  const quarantined = plan.steps[0]!.consequences.filter(({ kind }) => kind === "rows_quarantined");
  assertEquals(quarantined.map(({ rows }) => rows), [orphans, indexRows]);
  // Step 6 no longer meets what step 5 took away, though the table has another name today.
  assertEquals(plan.steps[1]!.tables.map(({ name, rows }) => [name, rows]), [
    ["events", events],
    ["attempts", deliveries - orphans],
  ]);
  await comesTrue(sql, plan);
});

Deno.test("plan() from an empty database and from versions in between tells what then happens", async () => {
  await using server = await startPostgres();
  for (const from of [0, 1, 3, 5, 7]) {
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, Math.min(from, 4));
    if (from >= 5) await fill(sql, 16);
    await migrateTo(backend, from);
    await comesTrue(sql, await backend.plan(ALL.slice(from)));
    assertEquals((await backend.verify()).issues, []);
    await sql.end();
  }
});

Deno.test("read(), plan(), planDown(), planCleanup() and verify() need no more than SELECT and create nothing", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  await admin`CREATE ROLE reader LOGIN`;
  const reader = backendOver(server.client(url.replace("postgres@", "reader@"), { max: 1 }));
  const look = async () => {
    const state = await reader.read();
    await reader.plan(ALL.slice(state.version));
    await reader.planDown(3);
    await reader.planCleanup(5);
    await reader.verify();
    await reader.lockOwner();
    return state;
  };
  const objects = () =>
    admin`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`;
  assertEquals((await look()).version, 0);
  assertEquals([...await objects()], []);
  const backend = backendOver(admin);
  for (const version of [4, 10]) {
    await migrateTo(backend, version);
    if (version === 4) await fill(admin);
    await admin`GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`;
    const before = [...await objects()];
    assertEquals((await look()).version, version);
    assertEquals([...await objects()], before);
  }
  await admin`REVOKE SELECT ON schema_migrations FROM reader`;
  await assertRejects(() => reader.read(), StoreDeniedError);
});

Deno.test("planDown() counts what goes, and down() loses no more", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const { orphans, indexRows, deliveries } = await fill(sql);
  const before = await sql.unsafe(`SELECT to_jsonb(d) AS row FROM deliveries d ORDER BY time, id`);
  const index = await sql.unsafe(
    `SELECT to_jsonb(d) AS row FROM event_delivery_index d ORDER BY delivery_time`,
  );
  const destinations = await sql`SELECT time, id, destination_id FROM events ORDER BY time, id`;
  await migrateTo(backend, 10);
  await sql`UPDATE events SET matched_destination_ids = matched_destination_ids || '{more}' WHERE id IN ('evt_1', 'evt_2')`;
  await sql`UPDATE attempts SET destination_type = 'webhook' WHERE id IN ('del_1', 'del_2', 'del_3')`;
  const plan = await backend.planDown(6);
  assertEquals(plan.steps.map(({ id }) => id.slice(-2)), ["10", "09", "08", "07", "06", "05"]);
  const counts = Object.fromEntries(
    plan.warnings.map((warning) => [warning.replace(/^\d+ /, ""), parseInt(warning)]),
  );
  assertEquals(counts["attempts lose the type of their destination"], 3);
  assertEquals(counts["events lose all matched destinations but the first"], 2);
  assertEquals(
    counts["attempts lose the copy of their event; an attempt whose event is gone loses the only one"],
    deliveries - orphans,
  );
  await using session = await locked(backend);
  for (let version = 10; version > 4; version--) await session.down(version, running());
  // The quarantine goes where it came from.
  assertEquals([...await sql.unsafe(`SELECT to_jsonb(d) AS row FROM deliveries d ORDER BY time, id`)], [
    ...before,
  ]);
  assertEquals(
    [...await sql.unsafe(`SELECT to_jsonb(d) AS row FROM event_delivery_index d ORDER BY delivery_time`)],
    [...index],
  );
  assertEquals([...await sql`SELECT time, id, destination_id FROM events ORDER BY time, id`], [
    ...destinations,
  ]);
  assertEquals(index.length, indexRows);
});

Deno.test("plan() of steps that run as one says what they write, once, and what that takes", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fillLegacyLog(sql, { events: 20_000, orphans: 100 });
  await sql`VACUUM ANALYZE`;
  const number = async (expression: string) =>
    Number((await sql.unsafe<{ n: string }[]>(`SELECT (${expression})::text AS n`))[0]!.n);
  const size = (...tables: string[]) =>
    number(tables.map((table) => `pg_total_relation_size('${table}_default')`).join(" + "));
  const { steps, grouping } = await backend.plan([5, 6, 7, 8, 9, 10], { together: true });
  assertEquals(
    steps.flatMap(({ tables }) => tables.filter(({ rewrite }) => rewrite).map(({ name }) => name)),
    ["events", "deliveries"],
  );
  assertEquals(
    steps.flatMap(({ consequences }) =>
      consequences.filter(({ kind }) => kind === "table_rewritten").map(({ table }) => table)
    ),
    ["events", "deliveries"],
  );
  const { bytes, disk } = grouping!.needs!;
  assertEquals(bytes, await size("events", "deliveries"));
  const [begun] = await sql`SELECT pg_current_wal_lsn()::text AS at`;
  {
    await using session = await locked(backend);
    await session.upTogether([5, 6, 7, 8, 9, 10], running());
  }
  const written = await number(`pg_wal_lsn_diff(pg_current_wal_lsn(), '${begun!.at}')`);
  for (const used of [await size("events", "attempts"), written]) {
    assert(disk / used > 0.8 && disk / used < 1.5, `${disk} said, ${used} used`);
  }
});

Deno.test("plan() of a step that is named says why its tables cannot be made anew", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 6);
  assertEquals((await backend.plan([7])).grouping, undefined);
  await sql`ALTER TABLE events_default SET (fillfactor = 80)`;
  assertEquals((await backend.plan([7])).grouping, {
    together: [],
    apart: ['Table "events_default" has storage options of its own'],
  });
});
