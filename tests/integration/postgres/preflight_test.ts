import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { BlockedError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { createFrozenEngine } from "../../support/frozen_registry.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { stepOf } from "./test_step.ts";
import { backendOver, everything, fill, locked, migrateTo, running } from "./deployment.ts";

const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** What is found in the way from version 4 on, by kind and object, and the version that apply leaves. */
async function inTheWay(server: PostgresServer, prepare: (sql: postgres.Sql) => Promise<unknown>) {
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await prepare(sql);
  const before = await everything(sql);
  const owner = { host: "test", pid: Deno.pid };
  const engine = createFrozenEngine({ postgres: sql, version: "1", owner });
  const { blockers } = await engine.plan();
  if (blockers.length > 0) {
    const error = await assertRejects(() => engine.apply(), BlockedError);
    assertEquals(error.blockers, blockers);
    assertEquals(await everything(sql), before, "nothing was changed");
  }
  return blockers;
}

Deno.test("plan() names what hangs on columns and tables that steps drop or retype, and apply() changes nothing", async () => {
  await using server = await startPostgres();
  const blockers = await inTheWay(server, (sql) =>
    sql.unsafe(`
      CREATE SCHEMA reporting;
      CREATE VIEW reporting.payloads AS SELECT id, data FROM events;
      CREATE VIEW reporting.parts AS SELECT destination_id FROM events_default;
      CREATE MATERIALIZED VIEW reporting.listed AS SELECT count(*) FROM event_delivery_index;
      CREATE RULE noted AS ON INSERT TO deliveries WHERE NEW.response_data IS NULL DO ALSO NOTHING;
      CREATE FUNCTION reporting.one() RETURNS jsonb LANGUAGE sql BEGIN ATOMIC SELECT data FROM public.events LIMIT 1; END;
      CREATE FUNCTION reporting.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER watched AFTER UPDATE OF data ON events FOR EACH ROW EXECUTE FUNCTION reporting.fire();
      CREATE TRIGGER harmless AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION reporting.fire();
      CREATE POLICY mine ON events USING (destination_id <> '');
      CREATE PUBLICATION feed FOR TABLE event_delivery_index, deliveries;
      CREATE TABLE reporting.kept (delivery_time timestamptz, event_id text, delivery_id text,
        FOREIGN KEY (delivery_time, event_id, delivery_id) REFERENCES event_delivery_index);
      ALTER TABLE events ADD CONSTRAINT filled CHECK (data <> '[]'::jsonb);
      CREATE INDEX searched ON events USING gin (data);
      CREATE INDEX listed ON deliveries (code);
      CREATE VIEW reporting.fine AS SELECT id, time FROM deliveries;
      CREATE TABLE idx_events_id (n int)`));
  assertEquals(blockers.map(({ kind, object }) => [kind, object]), [
    ["foreign_key", "kept_delivery_time_event_id_delivery_id_fkey on reporting.kept"],
    ["publication", "feed"],
    ["view", "reporting.listed"],
    ["check", "filled on events"],
    ["check", "filled on events_default"],
    ["function", "reporting.one()"],
    ["index", "events_default_data_idx"],
    ["index", "searched"],
    ["trigger", "watched on events"],
    ["view", "reporting.payloads"],
    ["policy", "mine on events"],
    ["view", "reporting.parts"],
    ["rule", "noted on deliveries"],
    ["name", "idx_events_id"],
  ]);
  assertEquals(blockers.find(({ object }) => object === "reporting.payloads"), {
    store: "postgres",
    kind: "view",
    object: "reporting.payloads",
    detail: "The view reporting.payloads reads events.data, which sql/000006 gives another type",
    hint: "Take the view away before, and make it anew for the new columns afterwards",
  });
});

Deno.test("plan() finds nothing in the way of what operators commonly have, nor in an empty database", async () => {
  await using server = await startPostgres();
  const found = await inTheWay(server, (sql) =>
    sql.unsafe(`
      CREATE TABLE deliveries_2024 PARTITION OF deliveries FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
      CREATE INDEX mine ON deliveries (code);
      CREATE PUBLICATION all_of_it FOR ALL TABLES;
      COMMENT ON TABLE events IS 'the log'`));
  assertEquals(found, []);
  const empty = backendOver(server.client(await server.createDatabase(), { max: 2 }));
  assertEquals(await empty.blockers(ALL), []);
  await migrateTo(empty, 10);
  assertEquals(await empty.blockers([]), []);
});

Deno.test("plan() names missing ownership and rights, and prepared transactions that would be waited for in vain", async () => {
  await using server = await startPostgres({ max_prepared_transactions: "5" });
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  await migrateTo(backendOver(admin), 4);
  await admin.unsafe(`
    CREATE ROLE app LOGIN;
    REVOKE CREATE ON SCHEMA public FROM public;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO app`);
  const other = await server.client(url, { max: 1 }).reserve();
  await other`BEGIN`;
  await other`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
    VALUES ('e', 't', 'd', now(), 'x', true, '{}', '{}')`;
  await other`PREPARE TRANSACTION 'left'`;
  other.release();
  const of = (found: readonly { readonly kind: string; readonly object: string }[]) =>
    found.map(({ kind, object }) => `${kind} ${object}`);
  const app = backendOver(server.client(url.replace("postgres@", "app@"), { max: 1 }));
  assertEquals(of(await app.blockers([5, 6])), [
    ...["deliveries", "deliveries_default", "event_delivery_index", "event_delivery_index_default", "events"]
      .map((table) => `ownership ${table}`),
    "ownership events_default",
    "rights outpost_migrations",
    "rights outpost_migrations",
    "rights schema_migrations",
    "rights schema_migrations",
    "rights the schema public",
    "prepared_transaction left",
  ]);
  const owner = backendOver(admin);
  assertEquals(of(await owner.blockers([5, 6])), ["prepared_transaction left"]);
  await admin`ROLLBACK PREPARED 'left'`;
  assertEquals(await owner.blockers([5, 6]), []);
});

Deno.test("plan() names a detached partition, whose rows no step would see, and none that an operator did away with", async () => {
  await using server = await startPostgres();
  const found = async (prepare: string) =>
    (await inTheWay(server, (sql) => sql.unsafe(prepare))).map(({ kind, object }) => `${kind} ${object}`);
  assertEquals(
    await found(`ALTER TABLE events DETACH PARTITION events_default;
      ALTER TABLE deliveries DETACH PARTITION deliveries_default;
      CREATE TABLE deliveries_other PARTITION OF deliveries DEFAULT`),
    ["partition deliveries_default", "partition events_default"],
  );
  assertEquals(
    await found(`ALTER TABLE events DETACH PARTITION events_default;
      ALTER TABLE events_default RENAME TO events_all;
      ALTER TABLE events ATTACH PARTITION events_all DEFAULT`),
    [],
  );
  const sql = server.client(await server.createDatabase(), { max: 1 });
  const backend = backendOver(sql);
  await migrateTo(backend, 7);
  await sql`ALTER TABLE attempts DETACH PARTITION attempts_default`;
  assertEquals((await backend.blockers([8])).map(({ object }) => object), ["attempts_default"]);
});

Deno.test("down() changes nothing while a partition is detached, and says how it is attached again wherever it is", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await migrateTo(backend, 10);
  await sql.unsafe(`
    CREATE TABLE archive (LIKE attempts) PARTITION BY RANGE (time);
    ALTER TABLE attempts DETACH PARTITION attempts_default;
    ALTER TABLE archive ATTACH PARTITION attempts_default DEFAULT`);
  const before = await everything(sql);
  await using session = await locked(backend);
  const ways: (() => Promise<unknown>)[] = [() => backend.planDown(6), () => session.down(10, running())];
  for (const refused of ways) {
    const error = await assertRejects<BlockedError>(refused, BlockedError);
    assertEquals(
      error.message,
      "Cannot take SQL steps back, nothing was changed: attempts_default is no partition of attempts any more: no step would " +
        "see its rows, and what belongs to them would count as lost",
    );
    assertEquals(error.blockers[0]!.object, "attempts_default");
  }
  assertEquals(await everything(sql), before);
  assertEquals((await backend.planDown({ to: 10 })).steps, [], "nothing is taken back");
  const [blocked] = (await assertRejects(() => backend.planDown(6), BlockedError)).blockers;
  await sql.unsafe(/\((.*?)\);/.exec(blocked!.hint.replace("; ALTER", "| ALTER"))![1]!.replace("|", ";"));
  for (const version of [10, 9, 8, 7, 6, 5]) await session.down(version, running());
  assertEquals((await backend.read()).version, 4);
});

Deno.test("plan() looks at the tables of an application's own steps, whatever they are called", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 1 });
  await sql.unsafe(`
    CREATE TABLE "Orders" (id int, total int); CREATE TABLE "odd name" (id int); CREATE SCHEMA shop; CREATE TABLE shop.items (id int);
    INSERT INTO "Orders" SELECT n, n FROM generate_series(1, 1000) n;
    INSERT INTO "odd name" VALUES (1); INSERT INTO shop.items VALUES (1);
    CREATE VIEW totals AS SELECT total FROM "Orders"`);
  const names = ["Orders", '"Orders"', "odd name", "shop.items", "not there", "a.b.c"];
  const backend = backendOver(
    sql,
    stepOf([{ text: "SELECT 1" }], {
      forecast: () => ({
        tables: names.map((name) => ({ name, storedAs: name, rows: null, lock: "none", rewrite: false })),
        consequences: [],
        changes: [{ table: "Orders", column: "total", change: "dropped" }],
      }),
    }),
  );
  const { steps } = await backend.plan([1]);
  assertEquals(steps[0]!.tables.map(({ bytes }) => bytes! > 0), [true, true, true, true, false, false]);
  assertEquals((await backend.blockers([1])).map(({ kind, object }) => `${kind} ${object}`), ["view totals"]);
});

Deno.test("down() says what to do where no partition takes a row that comes back", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await migrateTo(backend, 5);
  await sql.unsafe(`
    ALTER TABLE attempts DETACH PARTITION attempts_default;
    ALTER TABLE attempts_default RENAME TO attempts_kept`);
  await using session = await locked(backend);
  const error = await assertRejects(() => session.down(5, running()), StepFailedError);
  assertEquals(error.failure.serverCode, "23514");
  assertStringIncludes(error.hint!, "make or attach one that does, such as one that is DEFAULT");
  await sql`CREATE TABLE attempts_default PARTITION OF attempts DEFAULT`;
  await session.down(5, running());
  assertEquals((await backend.read()).version, 4);
});

Deno.test("up() speaks of what hangs on a column, and of no standby, where the server says so after all", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 5);
  await sql`CREATE VIEW payloads AS SELECT data FROM events`;
  await using session = await locked(backend);
  const error = await assertRejects(() => session.up(6, running()), StepFailedError);
  assertEquals(error.failure.serverCode, "0A000");
  assertEquals(error.hint, "Something hangs on the table or the column: see with plan() what it is");
});
