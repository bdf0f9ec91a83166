import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { RegistryError } from "../../engine/errors.ts";
import { createRegistry } from "../../engine/registry.ts";
import { outpostRegistry } from "../../migrations/mod.ts";
import { runCli } from "../support/cli.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { hasPgBouncer, startPgBouncer } from "../support/postgres.ts";
import { snapshot } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { outpost as runOutpost, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const APPLY = "migrate apply --redis-only --yes";

chapter("Configuration and surface", Stores.start, [
  {
    id: "B39",
    severity: "S2",
    failure: "migrating needs the configuration of the whole service",
    from: `${RUNNER}, its configuration`,
    shown: "REDIS_HOST alone is enough for Redis, and a file with settings of others is no error.",
    async prove(stores) {
      const { client } = await stores.deployment("empty");
      await seedLegacyTenant(client, "one");
      const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(stores.redis.port) };
      assertEquals((await runOutpost(APPLY, { env })).code, 0);
      const file = await Deno.makeTempFile({ suffix: ".yaml" });
      await Deno.writeTextFile(
        file,
        `aes_encryption_secret: x\nmqs:\n  rabbitmq:\n    server_url: amqp://mq\nredis:\n  host: 127.0.0.1\n  port: ${stores.redis.port}\n`,
      );
      const listed = await runOutpost(`migrate list --redis-only --json -c ${file}`, {});
      await Deno.remove(file);
      assertEquals([listed.code, listed.json.pending.redis], [0, 0]);
    },
  },
  {
    id: "B40",
    severity: "S3",
    failure: "the documentation promises commands and options that do not exist",
    from: `${RUNNER} #675, #831, its guide`,
    shown: "status, --redis-host, --rerun and going on after an interruption are there.",
    async prove(stores) {
      const { outpost, client, env } = await stores.deployment();
      await seedLegacyTenant(client, "one");
      const { REDIS_PORT: port, POSTGRES_URL: _, REDIS_HOST: host } = env as Record<string, string>;
      const options = `--redis-only --redis-host ${host} --redis-port ${port}`;
      assertEquals((await runOutpost(`migrate status ${options}`, {})).code, 0);
      assertEquals((await runOutpost(`migrate apply ${options} --yes`, {})).code, 0);
      assertEquals((await outpost("migrate apply redis/2 --rerun --redis-only --yes")).code, 0);
    },
  },
  {
    id: "B44",
    severity: "S3",
    failure: "gaps and migrations that were merged late are skipped without a word",
    from: `${RUNNER}; golang-migrate #179; goose #523, #121; Alembic's many heads`,
    shown: "A registry with a gap, a repeat or the wrong order is refused before anything is contacted.",
    prove() {
      const { redis } = outpostRegistry("");
      const [first, second, third] = redis!;
      for (const wrong of [[first!, third!], [first!, first!], [second!, first!]]) {
        assertThrows(() => createRegistry({ redis: wrong }), RegistryError);
      }
      return Promise.resolve();
    },
  },
  {
    id: "B45",
    severity: "S3",
    failure: "starting the server migrates in secret",
    from: `${RUNNER}, its tenant store and its start`,
    shown: "serve, refusing and starting, leaves both stores as they were.",
    async prove(stores) {
      const { outpost, client, sql } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      const objects = async () =>
        JSON.stringify([...await sql`select relname, relfilenode from pg_class order by 1`]);
      for (const code of [1, 0]) {
        const [keys, tables] = [await snapshot(client), await objects()];
        assertEquals((await outpost("serve -- true")).code, code);
        assertEquals([await snapshot(client), await objects()], [keys, tables]);
        if (code === 1) assertEquals((await outpost("migrate apply --yes")).code, 0);
      }
    },
  },
  {
    id: "B46",
    severity: "S3",
    failure: "the text of a plan differs from run to run",
    from: `${RUNNER}, its output`,
    shown: "Five plans of the same stores have one digest, and name the same in the same order.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["one", "two", "three"]) await seedLegacyTenant(client, id, 2);
      const seen = new Set<string>();
      for (let i = 0; i < 5; i++) {
        const { json } = await outpost("migrate plan --json");
        const { digest, sql, redis } = json;
        seen.add(JSON.stringify([
          digest,
          sql.steps.map((step: { id: string; tables: unknown[] }) => [step.id, Object.keys(step)]),
          redis.map((one: { id: string; estimated_items: number }) => [one.id, one.estimated_items]),
        ]));
      }
      assertEquals(seen.size, 1);
    },
  },
  {
    id: "B47",
    severity: "S3",
    failure: "applied_at is written in local time",
    from: `${RUNNER}, its coordinator`,
    shown: "Applied in Kathmandu, the recorded time is UTC and now.",
    async prove(stores) {
      const { client, env } = await stores.deployment();
      await seedLegacyTenant(client, "one");
      const before = Math.floor(Date.now() / 1000) * 1000;
      const { code, stderr } = await runCli(APPLY.split(" "), { env: { ...env, TZ: "Asia/Kathmandu" } });
      assertEquals(code, 0, stderr);
      const at = await client.hget("outpost:migration:003_entity", "applied_at");
      assertMatch(at!, /Z$/);
      assert(Date.parse(at!) >= before && Date.parse(at!) <= Date.now(), at!);
    },
  },
  {
    id: "B48",
    severity: "S3",
    failure: "passwords appear in messages, where they are not part of the URL as it was given",
    from: `${RUNNER}, sanitize.go`,
    shown:
      "A store that is not there, and one that refuses: no output holds the password, in any of its spellings.",
    async prove(stores) {
      const password = "p@ss w/rd";
      const spellings = [password, encodeURIComponent(password), encodeURI(password)];
      const { env } = await stores.deployment();
      const port = stores.postgres.port;
      for (
        const settings of [
          { POSTGRES_URL: `postgres://me:${encodeURIComponent(password)}@127.0.0.1:1/db` },
          { POSTGRES_URL: `postgres://127.0.0.1:1/db?user=me&password=${encodeURIComponent(password)}` },
          { POSTGRES_URL: `postgres://nobody:${encodeURIComponent(password)}@127.0.0.1:${port}/db` },
          { REDIS_PASSWORD: password, REDIS_USERNAME: "me" },
          { CLICKHOUSE_ADDR: "127.0.0.1:1", CLICKHOUSE_USERNAME: "me", CLICKHOUSE_PASSWORD: password },
        ]
      ) {
        for (const line of ["migrate status", "migrate status --json", "migrate apply --yes", "config"]) {
          const { stdout, stderr } = await runOutpost(line, { env: { ...env, ...settings } });
          for (const spelling of spellings) {
            assert(!(stdout + stderr).includes(spelling), `${line}: ${stdout}${stderr}`);
          }
        }
      }
    },
  },
  {
    id: "goose #288",
    severity: "S2",
    failure: "a step that was changed after it was applied goes unnoticed",
    from: "goose #288; pgroll",
    shown: "The recorded checksum of a step is another one: verify names the step, and the exit is 1.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      const [table] = await sql`select table_name, column_name from information_schema.columns
        where table_name like 'outpost\\_%' and column_name = 'checksum'`;
      await sql.unsafe(`update ${table!.table_name} set checksum = repeat('0', 64) where version = 7`);
      const { code, stdout } = await outpost("migrate verify --sql-only --json");
      assertEquals(code, 1);
      assertStringIncludes(stdout, "Version 7 (matched_destination_ids) was changed");
    },
  },
  {
    id: "golang-migrate #908",
    severity: "S2",
    failure: "behind a pooler in transaction mode the lock is lost between two statements",
    from: "golang-migrate PRs #908, #992, #1274; Atlas PR #2447; rails #31190",
    shown: "Such a pooler is recognised and refused with what to do; through one in session mode it works.",
    leftOut: () =>
      Promise.resolve(
        hasPgBouncer() || Deno.env.get("CI") !== undefined ? null : "pgbouncer is not installed",
      ),
    async prove(stores) {
      const { sql, url } = await stores.deployment();
      const database = new URL(url).pathname.slice(1);
      for (const [mode, code] of [["transaction", 2], ["session", 0]] as const) {
        await using pooler = await startPgBouncer(stores.postgres, mode);
        // Somebody else uses the pool, so that statements may meet different servers.
        const other = stores.postgres.client(pooler.url(database), { max: 1, prepare: false });
        await other`select 1`;
        const env = { POSTGRES_URL: pooler.url(database) };
        const { code: end, stderr } = await runOutpost("migrate apply --sql-only --yes", { env });
        assertEquals(end, code, stderr);
        await other.end({ timeout: 1 });
      }
      assertEquals((await sql`select version::int from schema_migrations`)[0]!.version, 10);
    },
  },
]);
