import { assertEquals, assertStringIncludes } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, migrateTo } from "./deployment.ts";

/** What is done to a migrated database, and what verify must say of it: a fault, or a warning. */
const DRIFTS: readonly {
  readonly does: string;
  readonly fault: boolean;
  readonly says: string;
}[] = [
  { does: "ALTER TABLE events_default SET UNLOGGED", fault: true, says: '"events_default" is unlogged' },
  {
    does: "ALTER TABLE events ADD COLUMN mine text NOT NULL",
    fault: true,
    says: '"events"."mine" refuses NULL',
  },
  {
    does: "ALTER TABLE attempts ADD CONSTRAINT c CHECK (code <> '') NOT VALID",
    fault: true,
    says: '"c" of "attempts"',
  },
  {
    does: `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER t BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION f()`,
    fault: true,
    says: 'Trigger "t" on "events"',
  },
  {
    does: `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER t BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION f()`,
    fault: false,
    says: 'Trigger "t" on "events"',
  },
  {
    does: "CREATE RULE r AS ON INSERT TO events DO INSTEAD NOTHING",
    fault: true,
    says: 'Rule "r" on "events"',
  },
  {
    does: "ALTER TABLE events ENABLE ROW LEVEL SECURITY; ALTER TABLE events FORCE ROW LEVEL SECURITY",
    fault: true,
    says: 'forced on "events"',
  },
  {
    does: "UPDATE pg_index SET indisready = false WHERE indexrelid = 'events_default_id_idx'::regclass",
    fault: true,
    says: 'Index "events_default_id_idx"',
  },
  {
    does: "CREATE UNIQUE INDEX u ON attempts_default (event_id)",
    fault: true,
    says: 'Index "u" on "attempts_default"',
  },
  { does: 'ALTER TABLE events ALTER topic TYPE text COLLATE "C"', fault: false, says: "has the collation C" },
  {
    does: "CREATE ROLE other; ALTER TABLE events_default OWNER TO other",
    fault: false,
    says: "belongs to other",
  },
];

Deno.test("verify() calls a fault what loses or refuses rows, and warns of the rest", async () => {
  await using server = await startPostgres();
  for (const { does, fault, says } of DRIFTS) {
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, 10);
    await sql.unsafe(does);
    const { ok, issues, warnings } = await backend.verify();
    assertEquals(ok, !fault, does);
    assertStringIncludes((fault ? issues : warnings).join("\n"), says, does);
    assertEquals((fault ? warnings : issues).length, 0, does);
    await sql.end();
  }
});

Deno.test("verify() leaves in peace what an operator commonly adds", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 10);
  await sql.unsafe(`
    CREATE TABLE attempts_2030 PARTITION OF attempts FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
    CREATE TABLE mine (n int NOT NULL UNIQUE CHECK (n > 0));
    ALTER TABLE events ADD COLUMN note text, ADD COLUMN counted int NOT NULL DEFAULT 0;
    CREATE INDEX noted ON events (note);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER t AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION f();
    CREATE VIEW failures AS SELECT id FROM attempts`);
  const { issues, warnings } = await backend.verify();
  assertEquals([issues, warnings], [[], []]);
});
