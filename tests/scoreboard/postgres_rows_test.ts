import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type postgres from "postgres";
import { chapter } from "./failure.ts";
import { Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const APPLY = "migrate apply --sql-only --yes";

/** Connects as a role that owns all tables and is no superuser, so that policies hold for it. */
async function asOwner(sql: postgres.Sql, url: string): Promise<string> {
  const database = new URL(url).pathname.slice(1);
  await sql.unsafe(`
    DO $$ BEGIN CREATE ROLE owner_of_all LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    ALTER SCHEMA public OWNER TO owner_of_all; GRANT CREATE ON DATABASE ${database} TO owner_of_all;
    DO $$ DECLARE t regclass; BEGIN
      FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO owner_of_all', t);
      END LOOP; END $$`);
  return url.replace("postgres@", "owner_of_all@");
}

const rowsOf = async (sql: postgres.Sql, table: string) =>
  (await sql.unsafe(`select to_jsonb(t)::text as row from ${table} t order by 1`)).map(({ row }) => row);

chapter("Rows of Postgres", Stores.start, [
  {
    id: "P4",
    severity: "S1",
    failure:
      "rows are inserted by position, so that a partition with another order of columns ends with mixed values",
    from: OWN,
    shown:
      "The columns of a partition stand in another order: every value is in its column after step 5, and after its way down.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      await sql.unsafe(`
        CREATE TABLE saved AS SELECT * FROM deliveries;
        ALTER TABLE deliveries DETACH PARTITION deliveries_default; DROP TABLE deliveries_default;
        CREATE TABLE deliveries_default (attempt integer NOT NULL DEFAULT 0, status text NOT NULL, event_id text NOT NULL,
          id text NOT NULL, response_data jsonb, manual boolean NOT NULL DEFAULT false, destination_id text NOT NULL, code text,
          time timestamptz NOT NULL, CONSTRAINT deliveries_default_pkey PRIMARY KEY (time, id));
        ALTER TABLE deliveries ATTACH PARTITION deliveries_default DEFAULT;
        INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
          SELECT id, event_id, destination_id, status, time, code, response_data, manual, attempt FROM saved;
        DROP TABLE saved`);
      const columns = "id, event_id, destination_id, status, time, code, response_data, manual";
      const before = await rowsOf(
        sql,
        `(select ${columns} from deliveries where event_id in (select id from events))`,
      );
      const all = await rowsOf(sql, `(select ${columns} from deliveries)`);
      assertEquals((await outpost("migrate apply 5 --sql-only --yes")).code, 0);
      assertEquals(await rowsOf(sql, `(select ${columns} from attempts)`), before);
      assertEquals((await outpost("migrate down --to 4 --yes")).code, 0);
      assertEquals(await rowsOf(sql, `(select ${columns} from deliveries)`), all);
    },
  },
  {
    id: "P5",
    severity: "S1",
    failure: "row level security hides rows from the migration, which takes them for gone",
    from: OWN,
    shown: "A forced policy on each of the tables in turn: refused with what to do, and every row is there.",
    async prove(stores) {
      for (const table of ["events", "deliveries", "event_delivery_index"]) {
        const { outpost, sql, url } = await stores.deployment();
        const env = { POSTGRES_URL: await asOwner(sql, url) };
        await sql.unsafe(
          `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
        );
        const before = await rowsOf(sql, table);
        const refused = await outpost(APPLY, { env });
        assert(refused.code !== 0, table);
        assertStringIncludes(refused.stderr.replaceAll(/\s+/g, " "), "NO FORCE ROW LEVEL SECURITY");
        assertEquals(await rowsOf(sql, table), before);
      }
    },
  },
  {
    id: "P6",
    severity: "S1",
    failure: "another installation further down the search path is changed",
    from: OWN,
    shown:
      "A new one in front of an old one: applied, taken back and cleaned up, and the other is row by row what it was.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      assertEquals((await outpost("migrate apply 5 6 7 --sql-only --yes")).code, 0);
      const tables = ["events", "attempts", "outpost_quarantine", "schema_migrations"];
      const look = async () => [
        ...await Promise.all(tables.map((table) => rowsOf(sql, `public.${table}`))),
        (await sql`select relname, relfilenode from pg_class where relnamespace = 'public'::regnamespace order by 1`)
          .map(
            ({ relname }) => relname,
          ),
      ];
      const before = await look();
      await sql`CREATE SCHEMA mine`;
      const env = { POSTGRES_URL: `${url}?search_path=mine,public` };
      assertEquals((await outpost(APPLY, { env })).code, 0);
      assertEquals((await outpost("migrate cleanup sql/5 --sql-only --yes", { env })).code, 0);
      assertEquals((await outpost("migrate down --to 3 --yes", { env })).code, 0);
      assertEquals(await look(), before);
    },
  },
  {
    id: "P7",
    severity: "S2",
    failure: "a view that hangs on a column stops the run between two versions that no server can use",
    from: OWN,
    shown:
      "plan and apply name the view before the first step, nothing is changed, and without it all steps run.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      await sql`CREATE VIEW report AS SELECT id, data FROM events`;
      assertStringIncludes((await outpost("migrate plan --sql-only")).stdout, "report");
      const refused = await outpost(`${APPLY} --json`);
      assertEquals([refused.code, refused.json.error.code], [1, "blocked"]);
      assertEquals((await outpost("migrate status --sql-only --json")).json.sql.version, 4);
      await sql`DROP VIEW report`;
      assertEquals((await outpost(APPLY)).code, 0);
    },
  },
  {
    id: "P13",
    severity: "S1",
    failure: "taking step 5 back loses a quarantined row where something else has its key",
    from: `${OWN}; Flyway #4121`,
    shown:
      "An attempt got the key of a quarantined delivery: after the way down the row is in the quarantine still.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost("migrate apply 5 --sql-only --yes")).code, 0);
      const [kept] = await sql`select id, row->>'id' as delivery, row->>'time' as time from outpost_quarantine
        where source_table = 'deliveries' order by id limit 1`;
      await sql`
        insert into attempts (id, event_id, destination_id, status, time, tenant_id, topic, event_time, eligible_for_retry,
          event_data, event_metadata)
        values (${kept!.delivery}, 'e', 'other', 'success', ${
        kept!.time
      }, 't', 'x', now(), true, '{}', '{}')`;
      assertEquals((await outpost("migrate down --to 4 --yes")).code, 0);
      assertEquals((await sql`select 1 from outpost_quarantine where id = ${kept!.id}`).length, 1);
      const [there] = await sql`select destination_id from deliveries where id = ${kept!.delivery}`;
      assertEquals(there!.destination_id, "other");
    },
  },
  {
    id: "P14",
    severity: "S1",
    failure: "verify passes on tables that lose or refuse rows",
    from: `${OWN}; Atlas and Flyway, which find such drift in paid editions alone`,
    shown:
      "Eight changes by hand, from UNLOGGED to a trigger that swallows rows: each is named, and the exit is 1.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost(APPLY)).code, 0);
      const changes = [
        ["ALTER TABLE attempts_default SET UNLOGGED", "ALTER TABLE attempts_default SET LOGGED"],
        [
          "ALTER TABLE events ADD COLUMN must text NOT NULL DEFAULT ''; ALTER TABLE events ALTER must DROP DEFAULT",
          "ALTER TABLE events DROP must",
        ],
        [
          "ALTER TABLE events ADD CONSTRAINT never CHECK (false) NOT VALID",
          "ALTER TABLE events DROP CONSTRAINT never",
        ],
        ["CREATE RULE away AS ON INSERT TO events DO INSTEAD NOTHING", "DROP RULE away ON events"],
        ["CREATE UNIQUE INDEX one_topic ON events_default (topic, id, time)", "DROP INDEX one_topic"],
        [
          "ALTER TABLE events ALTER data TYPE varchar(10) USING left(data, 10)",
          "ALTER TABLE events ALTER data TYPE text",
        ],
        ["ALTER TABLE attempts ALTER status DROP NOT NULL", "ALTER TABLE attempts ALTER status SET NOT NULL"],
      ] as const;
      for (const [change, undo] of changes) {
        await sql.unsafe(change);
        const { code, stdout } = await outpost("migrate verify --sql-only");
        assertEquals(code, 1, `${change}: ${stdout}`);
        await sql.unsafe(undo);
      }
      await sql.unsafe(
        `CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER swallows BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION swallow()`,
      );
      assertEquals((await outpost("migrate verify --sql-only")).code, 1);
      await sql`DROP TRIGGER swallows ON attempts`;
      assertEquals((await outpost("migrate verify --sql-only")).code, 0);
    },
  },
]);
