import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { startPostgres } from "../support/postgres.ts";
import { eventually } from "../support/server.ts";
import { chapter } from "./failure.ts";
import { POSTGRES_BOOKS } from "./postgres_books.ts";
import { outpost as runOutpost, Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const APPLY = "migrate apply --sql-only --yes";
/** The statement that records a step; its COMMIT comes next. */
const RECORDS = /^INSERT INTO .*schema_migrations/;

chapter("Runs over a Postgres", Stores.start, [
  {
    id: "P8",
    severity: "S2",
    failure: "verify and plan hang while another session holds the tables",
    from: OWN,
    shown: "A session holds events exclusively: both answer, say who holds it, and end.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const holder = await sql.reserve();
      await holder`begin`;
      await holder`lock table events in access exclusive mode`;
      try {
        const ends = await Promise.all(
          ["plan", "verify"].map((line) => outpost(`migrate ${line} --sql-only`)),
        );
        assertEquals(ends.map(({ code }) => code), [0, 1]);
        for (const { stdout, stderr } of ends) assertStringIncludes(stdout + stderr, "idle in transaction");
      } finally {
        await holder`rollback`;
        holder.release();
      }
    },
  },
  {
    id: "P9",
    severity: "S1",
    failure: "of several hosts a standby is taken for the one to write to",
    from: OWN,
    shown: "Two hosts, the first refuses writes: alone it is refused, and of both the second is migrated.",
    async prove(stores) {
      await using readOnly = await startPostgres({ default_transaction_read_only: "on" });
      const hosts = `127.0.0.1:${readOnly.port},127.0.0.1:${stores.postgres.port}`;
      const refused = {
        POSTGRES_URL:
          `postgres://postgres@127.0.0.1:${readOnly.port}/postgres?target_session_attrs=read-write`,
      };
      assertEquals((await runOutpost("migrate status --sql-only", { env: refused })).code, 4);
      const env = { POSTGRES_URL: `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write` };
      const { code, stderr } = await runOutpost(APPLY, { env });
      assertEquals(code, 0, stderr);
      const sql = stores.postgres.client(env.POSTGRES_URL.replace(`127.0.0.1:${readOnly.port},`, ""), {
        max: 1,
      });
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 10);
    },
  },
  {
    id: "P10",
    severity: "S2",
    failure: "a run that stands still in the middle of a step keeps its tables from everybody for ever",
    from: OWN,
    shown:
      "A program is stopped before its COMMIT arrives: after a lease readers go on, and nothing of the step is left.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      const thaw = Promise.withResolvers<void>();
      let [recorded, frozen] = [false, false];
      const env = stores.throughPostgres(url, async ({ name, text }) => {
        recorded ||= RECORDS.test(text);
        frozen ||= recorded && name === "COMMIT";
        if (frozen) await thaw.promise;
        return null;
      });
      const running = outpost("migrate apply sql/5 --sql-only --yes --lock-ttl 1s", { env });
      await eventually(() => assert(frozen));
      await sql`select count(*) from deliveries`;
      thaw.resolve();
      assert((await running).code !== 0);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 4);
      assertEquals((await outpost(APPLY)).code, 0);
    },
  },
  {
    id: "P12",
    severity: "S2",
    failure: "a table that cannot be locked at the end throws the long work before it away, six times",
    from: OWN,
    shown:
      "A reader keeps the tables until the third try for the last lock: every long statement was sent once.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      const reader = await sql.reserve();
      await reader`begin`;
      await reader`select count(*) from deliveries`;
      const sent = new Map<string, number>();
      let tries = 0;
      const env = stores.throughPostgres(url, async ({ text }) => {
        if (/^(INSERT INTO|CREATE TABLE|CREATE INDEX) outpost_new/.test(text)) {
          sent.set(text, (sent.get(text) ?? 0) + 1);
        }
        // From here on the step only waits for the strongest lock, and looks again and again who is in its way.
        if (tries > 0 && /^\s*WITH RECURSIVE parts/.test(text) && ++tries === 4) await reader`commit`;
        if (text === "SAVEPOINT late_lock") tries ||= 1;
        return null;
      });
      const options = "--lock-timeout 50ms --lock-retries 500";
      const { code, stderr } = await outpost(`migrate apply 5 --sql-only --yes ${options}`, { env });
      reader.release();
      assertEquals(code, 0, stderr);
      assert(tries >= 4);
      for (const [text, count] of sent) assertLess(count, 2, text);
    },
  },
  {
    id: "P15",
    severity: "S2",
    failure: "a port that answers as something else is tried without an end, and a password is shown in part",
    from: OWN,
    shown:
      "An HTTP server in place of Postgres: exit 4. A password with an unencoded @: refused, and no part of it is printed.",
    async prove() {
      await using server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen() {} },
        () => new Response("hello"),
      );
      const env = { POSTGRES_URL: `postgres://me@127.0.0.1:${server.addr.port}/db` };
      assertEquals((await runOutpost("migrate status --sql-only", { env })).code, 4);
      for (const line of ["migrate status --sql-only", "config"]) {
        const wrong = await runOutpost(line, {
          env: { POSTGRES_URL: "postgres://me:hunter2@secret/tail@127.0.0.1:1/db" },
        });
        for (const part of ["hunter2", "secret", "tail"]) {
          assert(!(wrong.stdout + wrong.stderr).includes(part), wrong.stderr);
        }
      }
    },
  },
  {
    id: "P18",
    severity: "S2",
    failure: "a Redis that is away for longer than a lease throws a rewrite of hours away",
    from: OWN,
    shown:
      "Redis says nothing while a step runs, for longer than the lease: the step commits, and no other begins.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      const back = Promise.withResolvers<void>();
      let late = 0;
      const redis = stores.through(async () => {
        if (late > 0) await back.promise;
        return null;
      });
      // Long in all, and never so long at a stretch that the server takes the run for frozen.
      const postgres = stores.throughPostgres(url, ({ text }) => {
        if (late === 0 && !text.startsWith("CREATE TABLE outpost_new")) return null;
        return ++late <= 5 ? { type: "delay", ms: 700 } : null;
      });
      const line = "migrate apply sql/5 sql/6 --yes --lock-ttl 2s";
      const { code, stderr } = await outpost(line, { env: { ...redis, ...postgres } });
      back.resolve();
      assertEquals(code, 3, stderr);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 5);
    },
  },
  {
    id: "sqitch #330",
    severity: "S1",
    failure: "a step that fails half-way leaves half of it behind",
    from: "sqitch #330, #209; umami #3536",
    shown:
      "Each statement of a run fails in turn, COMMIT included: the schema is that of a whole version, which is what is recorded.",
    async prove(stores) {
      for (const at of [0, 3, 7]) {
        const { outpost, sql, url } = await stores.deployment();
        let seen = 0;
        const env = stores.throughPostgres(
          url,
          ({ text }) =>
            /^\s*(ALTER|CREATE|INSERT|DROP)/i.test(text) && seen++ === at
              ? { type: "error", code: "53100" }
              : null,
        );
        const failed = await outpost("migrate apply sql/5 sql/6 sql/7 --sql-only --yes", { env });
        assert(failed.code !== 0);
        assertStringIncludes(failed.stdout + failed.stderr, "failed");
        const { version, dirty } = (await sql`select version::int, dirty from schema_migrations`)[0]!;
        assertEquals(dirty, false);
        const verified = (await outpost("migrate verify --sql-only --json")).json.sql;
        assertEquals(
          verified.issues.filter((issue: string) => !issue.startsWith("Pending")),
          [],
          `version ${version}`,
        );
        assertEquals((await outpost(APPLY)).code, 0);
      }
    },
  },
  ...POSTGRES_BOOKS,
]);
