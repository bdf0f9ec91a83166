import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { chapter } from "./failure.ts";
import { Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost, its migration runner";

chapter("False success", Stores.start, [
  {
    id: "B1",
    severity: "S1",
    failure: "the newest SQL migration failed, and the next run calls everything applied",
    from: `${RUNNER} and golang-migrate's dirty flag`,
    shown: "The newest step fails twice, the server is refused, and once the obstacle is gone the step runs.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost("migrate apply 5 6 7 8 9 --sql-only --yes")).code, 0);
      await sql`create index attempts_pkey on events (id)`;
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 1);
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 1);
      assertEquals((await outpost("serve --sql-only -- true")).code, 1);
      assertEquals((await outpost("migrate list --sql-only --json")).json.pending.sql, 1);
      await sql`drop index attempts_pkey`;
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      assertEquals((await outpost("migrate verify --sql-only")).code, 0);
    },
  },
  {
    id: "B2",
    severity: "S2",
    failure: "a failed migration leaves the database dirty, and no command repairs it",
    from:
      `${RUNNER}; golang-migrate #282, #317, #337, #430, #518, #678, #1059; Flyway #923, #488, #2444, #2492`,
    shown: "A database that another tool left dirty is refused with the way out, which works.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      await sql`update schema_migrations set dirty = true`;
      const refused = await outpost("migrate apply --sql-only --yes");
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "migrate force 4");
      assertEquals((await outpost("migrate force 4 --yes")).code, 0);
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
    },
  },
  {
    id: "B3",
    severity: "S1",
    failure: "writes of records fail, and the migration is marked applied with exit 0",
    from: `${RUNNER}`,
    shown:
      "The server refuses every write of one tenant's record with OOM: the exit is 1, and nothing is called applied.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["one", "two", "three"]) await seedLegacyTenant(client, id, 2);
      const env = stores.through(({ name, text }) =>
        /^EVAL(SHA)?$/.test(name) && text.includes("tenant:two") ? { type: "error", code: "OOM" } : null
      );
      assertEquals((await outpost("migrate apply --redis-only --yes", { env })).code, 1);
      const { migrations } = (await outpost("migrate list --redis-only --json")).json;
      assert(migrations.every(({ status }: { status: string }) => status !== "applied"));
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      assertEquals(await client.exists("tenant:{two}:tenant"), 1);
    },
  },
  {
    id: "B4",
    severity: "S1",
    failure: "a record that cannot be read is skipped and counted as migrated",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "Reading one tenant fails: the exit is not 0, and after a plain run its record is there.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["one", "two"]) await seedLegacyTenant(client, id, 1);
      let refused = 0;
      const env = stores.through(({ text }) => {
        // Whichever way it is read; what writes names the fence first.
        if (!/ tenant:two .*entity|entity.*"tenant:two"/.test(text) || text.includes(":fence:")) return null;
        refused++;
        return { type: "error", code: "NOPERM" };
      });
      assert((await outpost("migrate apply --redis-only --yes", { env })).code !== 0);
      assertGreater(refused, 0);
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      assertEquals(await client.hget("tenant:{two}:tenant", "id"), "two");
    },
  },
  {
    id: "B5",
    severity: "S1",
    failure: "a date that cannot be parsed is logged, skipped, and the migration applied",
    from: `${RUNNER}, 002_timestamps`,
    shown: "The record is named, the exit is 1, the migration failed, and all others are converted.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await client.hset("tenant:{bad}:tenant", { id: "bad", created_at: "next tuesday" });
      await client.hset("tenant:{good}:tenant", { id: "good", created_at: "2024-01-15T10:30:00Z" });
      const { code, stdout } = await outpost("migrate apply --redis-only --yes");
      assertEquals(code, 1);
      assertStringIncludes(stdout, "tenant:{bad}:tenant");
      assertEquals(await client.hget("tenant:{good}:tenant", "created_at"), "1705314600000");
      const { migrations } = (await outpost("migrate list --redis-only --json")).json;
      assertEquals(migrations[1].status, "failed");
    },
  },
  {
    id: "B6",
    severity: "S1",
    failure: "an error while reading the state counts as pending, and the migration runs again",
    from: `${RUNNER}, its coordinator`,
    shown:
      "Whichever command of `list` is answered with LOADING, it ends as an error and never says pending.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      let [at, happened] = [0, 0];
      do {
        happened = 0;
        const env = stores.through(({ index }) => {
          if (index !== at) return null;
          happened++;
          return { type: "error", code: "LOADING" };
        });
        const { code, json } = await outpost("migrate list --redis-only --json", { env });
        if (code === 0) assertEquals(json.pending.redis, 0, `command ${at}`);
        else assertEquals([code, json.error.code], [4, "store_unreachable"], `command ${at}`);
        at++;
      } while (happened > 0);
      assertGreater(at, 3);
    },
  },
  {
    id: "B7",
    severity: "S1",
    failure: "verify passes on a store where nothing was migrated",
    from: `${RUNNER}, its coordinator`,
    shown: "verify ends with 1 while anything is pending, in SQL and in Redis.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      for (
        const line of ["migrate verify --sql-only", "migrate verify --redis-only", "migrate verify --full"]
      ) {
        assertEquals((await outpost(line)).code, 1, line);
      }
    },
  },
  {
    id: "B8",
    severity: "S3",
    failure: "apply without a terminal prints Cancelled and exits 0",
    from: `${RUNNER}, its command line`,
    shown: "Nobody can be asked: exit 2, the option to pass, and nothing done.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one");
      const { code, stderr } = await outpost("migrate apply");
      assertEquals(code, 2);
      assertStringIncludes(stderr, "--yes");
      assertEquals(await client.exists("tenant:{one}:tenant"), 0);
    },
  },
  {
    id: "B9",
    severity: "S1",
    failure: "verify finds a difference and exits 0",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "A field that a copy lacks is an issue that names the record, and the exit is 1.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 2);
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      await client.hdel("tenant:{one}:destination:d2", "config");
      const { code, json } = await outpost("migrate verify --redis-only --full --json");
      assertEquals([code, json.ok], [1, false]);
      assertStringIncludes(JSON.stringify(json.redis[0].issues), "destination:d2");
    },
  },
  {
    id: "B10",
    severity: "S1",
    failure: "the random sample of verify is always the same first 20 records",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "One of 40 tenants is damaged: the full check finds it at once, and samples find it too.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let i = 0; i < 40; i++) await seedLegacyTenant(client, `t${i}`);
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      await client.hset("tenant:{t33}:tenant", "id", "another");
      assertEquals((await outpost("migrate verify --redis-only --full")).code, 1);
      // That 200 samples of a quarter all miss it has a chance of one in 10^25.
      let [found, samples] = [0, 0];
      while (found === 0 && samples < 200) {
        samples++;
        found = (await outpost("migrate verify --redis-only --sample 10")).code;
      }
      assertEquals(found, 1);
    },
  },
  {
    id: "B11",
    severity: "S3",
    failure: "checks run counts failures, so that success reads as 0 of 0",
    from: `${RUNNER}, 002_timestamps and 003_entity`,
    shown: "Every record that was looked at counts.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["one", "two", "three"]) await seedLegacyTenant(client, id, 1);
      assertEquals((await outpost("migrate apply --redis-only --yes")).code, 0);
      const { redis } = (await outpost("migrate verify --redis-only --full --json")).json;
      for (const { id, checks_run: run, checks_passed: passed } of redis) {
        assertGreater(run, 5, id);
        assertEquals(passed, run, id);
      }
    },
  },
  {
    id: "B12",
    severity: "S3",
    failure: "a database that is ahead of the program is called behind, and verify never says dirty",
    from: `${RUNNER}, its output`,
    shown: "status says ahead, serve warns of it, apply changes nothing, and verify tells dirty.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      await sql`update schema_migrations set version = 99`;
      assertEquals((await outpost("migrate status --sql-only --json")).json.sql.ahead, true);
      assertStringIncludes(
        (await outpost("serve --sql-only -- true")).stderr,
        "at version 99, ahead of the 10",
      );
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 99);
      await sql`update schema_migrations set version = 10, dirty = true`;
      const { code, json } = await outpost("migrate verify --sql-only --json");
      assertEquals([code, json.sql.dirty], [1, true]);
    },
  },
  {
    id: "B13",
    severity: "S3",
    failure:
      "--sql-only with --redis-only runs nothing and reports success, and one of them says that all is done",
    from: `${RUNNER}, its command line`,
    shown:
      "The contradiction is wrong usage, for every command that takes them; what one of them leaves out keeps the server from starting.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const command of ["apply --yes", "plan", "list", "status", "verify", "cleanup --yes"]) {
        assertEquals((await outpost(`migrate ${command} --sql-only --redis-only`)).code, 2, command);
      }
      await seedLegacyTenant(client, "one", 1);
      const half = await outpost("migrate apply --sql-only --yes");
      assertEquals(half.code, 0);
      assertStringIncludes(half.stdout, "Applied 6 migrations");
      assertStringIncludes((await outpost("migrate verify --sql-only")).stdout, "the side that was left out");
      assertEquals((await outpost("serve -- true")).code, 1);
    },
  },
]);
