/**
 * Proofs about what a plan tells beforehand, and about the way back.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { eventually } from "../support/server.ts";
import { chapter } from "./failure.ts";
import { type Deployment, Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const APPLY = "migrate apply --sql-only --yes";
/** What changes a schema or rows. */
const CHANGES = /^(ALTER|CREATE|DROP|INSERT|UPDATE|DELETE|DO|WITH twins)\b/;

/** Every row of the log of an old Outpost, as text. */
async function rowsOf({ sql }: Deployment): Promise<unknown[]> {
  const tables = ["events", "deliveries", "event_delivery_index"];
  return await Promise.all(tables.map(async (table) => [
    ...await sql.unsafe(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`),
  ]));
}

chapter("What a plan tells, and the way back", Stores.start, [
  {
    id: "B29 counts",
    severity: "S2",
    failure:
      "later migrations are planned over records that the first has not made yet, so that their counts are wrong",
    from: "hookdeck/outpost, its command line",
    shown:
      "Records of both forms: for each migration the number that the plan tells is the number that apply then did.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["one", "two", "a:b"]) await seedLegacyTenant(client, id, 2);
      await client.hset("tenant:{new}:tenant", { id: "new", created_at: "2024-01-15T10:30:00Z" });
      const { redis } = (await outpost("migrate plan --redis-only --json")).json;
      const planned = redis.map((
        one: { id: string; estimated_items: number },
      ) => [one.id, one.estimated_items]);
      const { stdout } = await outpost("migrate apply --redis-only --yes --json");
      const done = stdout.trim().split("\n").map((line) => JSON.parse(line)).filter(({ event }) =>
        event === "done"
      );
      assertEquals(done.map(({ id, processed }) => [id, processed]), planned);
      assertGreater(planned[1][1], 5);
    },
  },
  {
    id: "pgroll preview",
    severity: "S2",
    failure: "there is no preview of the statements, or not of those that are run",
    from: "pgroll; hookdeck/outpost, its plan",
    shown:
      "All that the server is sent to change schema or rows, but for the bookkeeping, stood in the plan, letter by letter.",
    async prove(stores) {
      for (const what of ["sql/6 sql/7", "sql/5"]) {
        const { outpost, url } = await stores.deployment();
        if (what !== "sql/5") assertEquals((await outpost("migrate apply sql/5 --sql-only --yes")).code, 0);
        const { steps } = (await outpost(`migrate plan ${what} --sql-only --json`)).json.sql;
        const shown = new Set<string>(
          steps.flatMap(({ statements }: { statements: string[] }) => statements.map((text) => text.trim())),
        );
        const sent: string[] = [];
        const env = stores.throughPostgres(url, ({ text }) => {
          if (CHANGES.test(text.trim()) && !/"(schema|outpost)_migrations"/.test(text)) {
            sent.push(text.trim());
          }
          return null;
        });
        assertEquals((await outpost(`migrate apply ${what} --sql-only --yes`, { env })).code, 0);
        assertGreater(sent.length, 3);
        assertEquals(sent.filter((text) => !shown.has(text)), [], what);
      }
    },
  },
  {
    id: "Atlas lint",
    severity: "S2",
    failure: "what a step locks, rewrites and drops is told in a paid edition, or after a login",
    from: "Atlas v0.38, its documentation",
    shown:
      "For each table the strongest lock that the plan tells is the one that the server then granted; rewrites and losses are counted.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      const { steps } = (await outpost("migrate plan sql/5 --sql-only --json")).json.sql;
      const told = new Map<string, { lock: string; rewrite: boolean }>(
        steps[0].tables.map((one: { name: string; lock: string; rewrite: boolean }) => [one.name, one]),
      );
      const kinds = steps[0].consequences.map(({ kind }: { kind: string }) => kind);
      for (const kind of ["rows_quarantined", "table_dropped", "column_dropped"]) {
        assert(kinds.includes(kind), kind);
      }
      const granted = new Map<string, Set<string>>();
      const env = stores.throughPostgres(url, async ({ name }) => {
        if (name !== "COMMIT") return null;
        for (
          const { table, mode } of await sql`SELECT relation::regclass::text AS table, mode FROM pg_locks
            WHERE locktype = 'relation' AND relation::regclass::text IN ('events', 'deliveries', 'event_delivery_index')`
        ) {
          if (!granted.has(table)) granted.set(table, new Set());
          granted.get(table)!.add(mode);
        }
        return null;
      });
      assertEquals((await outpost("migrate apply sql/5 --sql-only --yes", { env })).code, 0);
      assertEquals([...told.keys()].sort(), ["deliveries", "event_delivery_index", "events"]);
      for (const [table, modes] of granted) {
        assertEquals(
          told.get(table)?.lock,
          modes.has("AccessExclusiveLock") ? "ACCESS EXCLUSIVE" : "less",
          table,
        );
      }
      assertGreater(granted.size, 0);
    },
  },
  {
    id: "Flyway undo",
    severity: "S2",
    failure: "the way back is sold apart, or leaves something else than was there",
    from: "Flyway's and Atlas' documentation",
    shown:
      "All steps up and all of them down again: every row of every table is what it was, and up once more.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { outpost, sql } = deployment;
      const before = await rowsOf(deployment);
      assertEquals((await outpost(APPLY)).code, 0);
      const { code, stdout } = await outpost("migrate down --to 4 --sql-only --yes");
      assertEquals(code, 0);
      assertStringIncludes(stdout, "Takes back 6 SQL steps");
      assertEquals(await rowsOf(deployment), before);
      assertEquals((await sql`select version::int, dirty from schema_migrations`)[0], {
        version: 4,
        dirty: false,
      });
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals((await outpost("migrate verify --sql-only")).code, 0);
    },
  },
  {
    id: "P11 variant",
    severity: "S1",
    failure: "a partition that was added since makes a saved plan run in another way than was shown",
    from: OWN,
    shown: "The plan is saved, a partition comes: apply ends with 5 and changes nothing.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const file = await Deno.makeTempFile();
      try {
        assertEquals((await outpost(`migrate plan --sql-only --out ${file}`)).code, 0);
        await sql`create table deliveries_2031 partition of deliveries for values from ('2031-01-01') to ('2032-01-01')`;
        await sql`create index mine on deliveries_2031 (status)`;
        assertEquals((await outpost(`${APPLY} --plan ${file}`)).code, 5);
        assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 4);
      } finally {
        await Deno.remove(file);
      }
    },
  },
  {
    id: "P16 hints",
    severity: "S3",
    failure:
      "an administrator's cancel and a mistyped parameter of a URL end in the server's words, without a way on",
    from: OWN,
    shown:
      "Somebody cancels a statement: the same command finishes. A parameter that the server does not know is named.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      await sql.unsafe(
        `CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); END';
        CREATE EVENT TRIGGER slowly ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION slowly()`,
      );
      const running = outpost(`${APPLY} --json`);
      await eventually(async () => {
        const [found] = await sql`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND state = 'active' AND query LIKE 'CREATE INDEX%'`;
        assert(found !== undefined);
      });
      const stopped = await running;
      assertEquals(stopped.code, 1, stopped.stdout);
      assert(stopped.json.error.hint, stopped.stdout);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 4);
      await sql.unsafe("DROP EVENT TRIGGER slowly; DROP FUNCTION slowly");
      assertEquals((await outpost(APPLY)).code, 0);
      const wrong = { POSTGRES_URL: `${url}?work_memory=1` };
      const refused = await outpost("migrate status --sql-only --json", { env: wrong });
      assert(refused.code !== 0);
      assertStringIncludes(JSON.stringify(refused.json), "work_memory");
    },
  },
]);
