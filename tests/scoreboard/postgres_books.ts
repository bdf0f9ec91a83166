/**
 * Proofs about versions, plans and history in a Postgres: what is recorded, shown and hinted at is what is there.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Failure } from "./failure.ts";
import type { Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const APPLY = "migrate apply --sql-only --yes";
/** The statement that records a step; its COMMIT comes next. */
const RECORDS = /^INSERT INTO .*schema_migrations/;

/** They work on the servers of `postgres_runs_test.ts`. */
export const POSTGRES_BOOKS: readonly Failure<Stores>[] = [
  {
    id: "P2",
    severity: "S1",
    failure: "an interrupted `down 2`, run again as its hint says, takes back three",
    from: OWN,
    shown:
      "The answer to the second COMMIT is lost: doing what the hint says ends at the version that was meant.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      assertEquals((await outpost(APPLY)).code, 0);
      let downs = 0;
      const env = stores.throughPostgres(url, ({ name, text }) => {
        if (RECORDS.test(text)) downs++;
        return name === "COMMIT" && downs === 2 ? { type: "lost_reply" } : null;
      });
      const cut = await outpost("migrate down 2 --sql-only --yes", { env });
      assert(cut.code !== 0);
      const hint = /down --to (\d+)/.exec(cut.stderr);
      assertEquals(hint?.[1], "8", cut.stderr);
      assertEquals((await outpost("migrate down --to 8 --sql-only --yes")).code, 0);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 8);
    },
  },
  {
    id: "P3",
    severity: "S1",
    failure: "what is run is not what a person was shown, when somebody else was faster",
    from: OWN,
    shown:
      "While the question waits for an answer another run takes a step: the first ends with 5, and does nothing.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      assertEquals((await outpost(APPLY)).code, 0);
      let asked = false;
      let faster: Promise<unknown> | null = null;
      const env = stores.throughPostgres(url, async () => {
        if (asked) await (faster ??= outpost("migrate down --to 9 --sql-only --yes"));
        return null;
      });
      const { code } = await outpost("migrate down 1 --sql-only", {
        env,
        answers: ["y"],
        onStdout: (text) => asked ||= /Continue|\[y\/N\]|\?/.test(text),
        onStderr: (text) => asked ||= /Continue|\[y\/N\]|\?/.test(text),
      });
      assert(asked);
      assertEquals(code, 5);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 9);
    },
  },
  {
    id: "P11",
    severity: "S1",
    failure: "a saved plan that was tampered with is shown to the person who agrees to it",
    from: OWN,
    shown:
      "Statements of the file are forged, its digest kept: what is shown and what runs is computed afresh.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const file = await Deno.makeTempFile();
      try {
        assertEquals((await outpost(`migrate plan --sql-only --out ${file}`)).code, 0);
        const text = await Deno.readTextFile(file);
        await Deno.writeTextFile(file, text.replaceAll("CREATE", "DROP TABLE events; CREATE"));
        const shown = await outpost(`migrate apply --sql-only --plan ${file}`, { answers: ["n"] });
        assert(!(shown.stdout + shown.stderr).includes("DROP TABLE events;"));
        const { code } = await outpost(`migrate apply --sql-only --yes --plan ${file}`);
        assert(code === 0 || code === 2, String(code));
        assert((await sql`select count(*)::int as n from events`)[0]!.n > 0);
      } finally {
        await Deno.remove(file);
      }
    },
  },
  {
    id: "P16",
    severity: "S3",
    failure: "golang-migrate's version -1 is not understood, and a dirty database is planned as applied",
    from: OWN,
    shown: "-1 is an empty database, where everything is pending; plan of a dirty one names the way out.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment("empty");
      await sql`create table schema_migrations (version bigint not null primary key, dirty boolean not null)`;
      await sql`insert into schema_migrations values (-1, false)`;
      assertEquals((await outpost("migrate list --sql-only --json")).json.pending.sql, 10);
      assertEquals((await outpost(APPLY)).code, 0);
      await sql`update schema_migrations set dirty = true`;
      const planned = await outpost("migrate plan --sql-only");
      assertStringIncludes(planned.stdout + planned.stderr, "migrate force");
    },
  },
  {
    id: "golang-migrate #179",
    severity: "S1",
    failure: "there is no history, so that a step which never ran counts as applied",
    from: "golang-migrate #179, mattes/migrate #237; goose #523, #121, #73; tern; Alembic's many heads",
    shown:
      "The history lacks a step in the middle: verify fails and names it, apply and serve warn, and with another one pending apply refuses.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost(APPLY)).code, 0);
      await sql`delete from outpost_migrations where version = 8`;
      const missing = "Version 8 (attempt_destination_type) is missing";
      const verified = await outpost("migrate verify --sql-only --json");
      assertEquals(verified.code, 1);
      assertStringIncludes(verified.stdout, missing);
      for (const line of [APPLY, `${APPLY} --json`, "serve --sql-only -- true"]) {
        assertStringIncludes((await outpost(line)).stderr, missing, line);
      }
      await sql`update schema_migrations set version = 9`;
      await sql`delete from outpost_migrations where version = 10`;
      const refused = await outpost(`${APPLY} --json`);
      assertEquals([refused.code, refused.json.error.code], [1, "drift"]);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 9);
    },
  },
];
