import { assertEquals, assertRejects } from "@std/assert";
import { BlockedError } from "../../../engine/errors.ts";
import { findDependants } from "../../../engine/clickhouse/dependants.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { backendOf, prefix, run as running, up } from "./deployment.ts";

const EVENTS = `\`${prefix}events\``;

Deno.test("blockers() names what reads a column that a step of ClickHouse takes away, in both directions", async () => {
  await using server = await startClickHouse();
  const { client } = await server.createDatabase();
  const backend = backendOf(client);
  await up(backend, 1);
  const run = (query: string) => client.command({ query });
  const [{ name } = { name: "" }] = await (await client.query({
    query: "SELECT currentDatabase() AS name",
    format: "JSONEachRow",
  })).json<{ name: string }>();
  await run(`CREATE TABLE counts (d String, n UInt64) ENGINE = SummingMergeTree ORDER BY d`);
  await run(
    `CREATE MATERIALIZED VIEW reads TO counts AS SELECT destination_id AS d, count() AS n FROM ${EVENTS} GROUP BY d`,
  );
  await run(
    `CREATE MATERIALIZED VIEW other TO counts AS SELECT 'destination_id' AS d, count() AS n FROM ${EVENTS} GROUP BY d`,
  );
  await run(`ALTER TABLE ${EVENTS} ADD INDEX mine (destination_id) TYPE minmax`);
  await run(`ALTER TABLE ${EVENTS} ADD COLUMN shouted String DEFAULT upper(destination_id)`);
  await run(`ALTER TABLE ${EVENTS} ADD CONSTRAINT known CHECK destination_id != 'x'`);
  assertEquals((await backend.blockers([2, 3])).map(({ detail }) => detail), [
    `The column shouted reads ${prefix}events.destination_id, which clickhouse/000002 drops`,
    `The constraint known reads ${prefix}events.destination_id, which clickhouse/000002 drops`,
    `The index mine reads ${prefix}events.destination_id, which clickhouse/000002 drops`,
    `The materialized view ${name}.reads reads ${prefix}events.destination_id, which clickhouse/000002 drops`,
  ]);
  await run("DROP VIEW reads");
  for (const what of ["INDEX mine", "COLUMN shouted", "CONSTRAINT known"]) {
    await run(`ALTER TABLE ${EVENTS} DROP ${what}`);
  }
  assertEquals(await backend.blockers([2, 3]), []);
  await up(backend, 3);
  await run(
    `CREATE MATERIALIZED VIEW reads TO counts AS SELECT matched_destination_ids[1] AS d, count() AS n FROM ${EVENTS} GROUP BY d`,
  );
  assertEquals((await backend.planDown(1)).steps.length, 1, "step 3 is of another table");
  const error: BlockedError = await assertRejects(() => backend.planDown(2), BlockedError);
  assertEquals(error.blockers.map(({ kind, object }) => `${kind} ${object}`), [
    `materialized_view ${name}.reads`,
  ]);
  await using session = await backend.connect();
  await session.down(3, running());
  const late: BlockedError = await assertRejects(() => session.down(2, running()), BlockedError);
  assertEquals(late.blockers, error.blockers, "made after a plan, or without one");
  assertEquals((await backend.read()).version, 2);
});

Deno.test("blockers() names what passes on rows to a column that a step of ClickHouse takes away, which would be left out", async () => {
  await using server = await startClickHouse();
  const { client, name } = await server.createDatabase();
  const backend = backendOf(client);
  await up(backend, 1);
  const run = (query: string) => client.command({ query });
  const buffer = (table: string, of: string) =>
    run(
      `CREATE TABLE ${table} AS ${EVENTS} ENGINE = Buffer(${of}, '${prefix}events', 1, 1000, 1000, 1000000, 1000000, 1000000, 1000000)`,
    );
  await buffer("held", "currentDatabase()");
  await buffer("elsewhere", "'another'");
  await run(
    `CREATE TABLE far AS ${EVENTS} ENGINE = Distributed('alone', currentDatabase(), '${prefix}events')`,
  );
  await run(
    `CREATE TABLE inbox (id String, destination_id String, matched_destination_ids Array(String)) ENGINE = Null`,
  );
  await run(
    `CREATE MATERIALIZED VIEW feeds TO ${EVENTS} AS SELECT id AS event_id, now64(3) AS event_time, destination_id FROM inbox`,
  );
  await run(
    `CREATE MATERIALIZED VIEW bare TO ${EVENTS} AS SELECT id AS event_id, now64(3) AS event_time FROM inbox`,
  );
  const wanted = ["buffer held", "distributed table far", "materialized view feeds"].map((object) =>
    object.replace(/ (\w+)$/, ` ${name}.$1`)
  );
  assertEquals(
    (await backend.blockers([2, 3])).map(({ detail }) => detail),
    wanted.map((object) =>
      `The ${object} passes on to ${prefix}events.destination_id, which clickhouse/000002 drops`
    ),
  );
  await run("INSERT INTO held (event_id, destination_id, event_time) VALUES ('kept', 'mine', now64(3))");
  await run("DROP VIEW feeds");
  await run("SYSTEM FLUSH DISTRIBUTED far");
  for (const table of ["held", "far"]) await run(`DROP TABLE ${table}`);
  assertEquals(await backend.blockers([2, 3]), []);
  await up(backend, 3);
  const rows = await client.query({
    query: `SELECT event_id, matched_destination_ids FROM ${EVENTS}`,
    format: "JSONEachRow",
  });
  assertEquals(await rows.json(), [{ event_id: "kept", matched_destination_ids: ["mine"] }]);
  await run(
    `CREATE MATERIALIZED VIEW feeds TO ${EVENTS} AS
     SELECT id AS event_id, now64(3) AS event_time, matched_destination_ids FROM inbox`,
  );
  const error: BlockedError = await assertRejects(() => backend.planDown(2), BlockedError);
  assertEquals(error.blockers.map(({ object }) => object), [`${name}.feeds`]);
});

Deno.test("blockers() names what is detached from a table that loses a column, and would come back without it", async () => {
  await using server = await startClickHouse();
  const { client } = await server.createDatabase();
  const backend = backendOf(client);
  await up(backend, 1);
  const run = (query: string) => client.command({ query });
  await run(`INSERT INTO ${EVENTS} (event_id, destination_id, event_time) VALUES
    ('old', 'mine', '2024-01-05'), ('older', 'mine', '2024-01-06'), ('new', 'mine', '2025-01-05')`);
  const moved = (what: string) => run(`ALTER TABLE ${EVENTS} ${what} PARTITION ID '202401'`);
  await moved("DETACH");
  const [found, ...others] = await backend.blockers([2, 3]);
  assertEquals([found!.detail, found!.hint, others], [
    `The partition 202401 of ${prefix}events is detached: clickhouse/000002 drops destination_id, and its rows would come back without that`,
    `Attach it (ALTER TABLE ${EVENTS} ATTACH PARTITION ID '202401'); if its rows are not wanted, take them out of the folder "detached"`,
    [],
  ]);
  await moved("ATTACH");
  await up(backend, 2);
  const rows = await client.query({
    query: `SELECT event_id, matched_destination_ids AS many FROM ${EVENTS} ORDER BY event_time`,
    format: "JSONEachRow",
  });
  assertEquals(
    await rows.json(),
    ["old", "older", "new"].map((event_id) => ({ event_id, many: ["mine"] })),
  );
  await moved("DETACH");
  assertEquals(await backend.blockers([3]), [], "nothing goes from these rows");
  await assertRejects(() => backend.planDown(1), BlockedError, "is detached");
});

Deno.test("blockers() names what reads a column of an application whose name means something in a pattern", async () => {
  await using server = await startClickHouse();
  const { client } = await server.createDatabase();
  await client.command({
    query:
      'CREATE TABLE sales ("price (EUR)" Int32, "tags.key" String, tags_key String, twice Int32 DEFAULT "price (EUR)" * 2, ' +
      "short String DEFAULT upper(tags_key)) ENGINE = MergeTree ORDER BY tuple()",
  });
  const dropped = (column: string) => ({
    step: "clickhouse/000001",
    table: "sales",
    column,
    change: "dropped" as const,
  });
  const found = await findDependants(client, [dropped("price (EUR)"), dropped("tags.key")], "", []);
  assertEquals(found.map(({ kind, object }) => `${kind} ${object}`), ["column twice"]);
});
