/**
 * Proofs about those who wait, and those who only read.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { eventually } from "../support/server.ts";
import type { Failure } from "./failure.ts";
import type { Deployment, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";

/** They work on the servers of `locks_test.ts`. */
export const WAITING: readonly Failure<Stores>[] = [
  {
    id: "B35",
    severity: "S2",
    failure: "reading commands take a blocking lock, or create a table",
    from:
      `${RUNNER} and golang-migrate's Postgres driver; node-pg-migrate #1705, #1718; mattes/migrate #304; goose #281, #710, #479`,
    shown: "Somebody holds the lock, and the role may only SELECT: every reading command answers.",
    async prove(stores) {
      const { outpost, sql, url, client } = await stores.deployment();
      await seedLegacyTenant(client, "one");
      const name = new URL(url).pathname.slice(1);
      await sql.unsafe(
        `DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`,
      );
      const holder = await sql.reserve();
      // The key of golang-migrate, as its documentation computes it.
      const key = advisoryKey(name);
      await holder.unsafe(`SELECT pg_advisory_lock(${key})`);
      const tables = await tablesOf(sql);
      try {
        const env = { POSTGRES_URL: url.replace("postgres@", "reader@") };
        for (const [line, code] of [["list", 0], ["status", 0], ["plan", 0], ["verify", 1]] as const) {
          assertEquals((await outpost(`migrate ${line}`, { env })).code, code, line);
        }
        assertEquals((await outpost("serve -- true", { env })).code, 1);
      } finally {
        await holder.unsafe(`SELECT pg_advisory_unlock(${key})`);
        holder.release();
      }
      assertEquals(await tablesOf(sql), tables);
    },
  },
  {
    id: "B36",
    severity: "S2",
    failure: "a step waits for a table, and every reader of the table waits behind it",
    from: `${RUNNER}, Postgres steps 5 to 9; strong_migrations #95, #99, #133; pgroll #171, #353, #388`,
    shown:
      "An old query keeps the table: other readers go on while the step tries again, and it ends when the query does.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const old = await sql.reserve();
      await old`begin`;
      await old`select count(*) from deliveries`;
      let tried = false;
      const running = outpost("migrate apply --sql-only --yes --lock-retries 100 --lock-timeout 100ms", {
        onStderr: (text) => tried ||= text !== "",
      });
      await eventually(() => assert(tried));
      for (let i = 0; i < 20; i++) {
        await sql.begin(async (reading) => {
          await reading`set local statement_timeout = '3s'`;
          await reading`select count(*) from deliveries`;
        });
      }
      await old`commit`;
      old.release();
      assertEquals((await running).code, 0);
    },
  },
  {
    id: "golang-migrate #960",
    severity: "S2",
    failure: "pods that wait for the lock deadlock with CREATE INDEX CONCURRENTLY of the one that holds it",
    from: "golang-migrate #960, coder #8353, element-hq/MAS #5298; Flyway #1654, #3497, #3682, #3854",
    shown:
      "While a run waits, the holder of the lock builds an index concurrently: it is built, and the run ends.",
    async prove(stores) {
      const { outpost, sql, url } = await stores.deployment();
      const key = advisoryKey(new URL(url).pathname.slice(1));
      const holder = await sql.reserve();
      await holder.unsafe(`SELECT pg_advisory_lock(${key})`);
      let waits = "";
      const running = outpost("migrate apply --sql-only --yes --lock-wait 60s", {
        onStderr: (text) => waits = text,
      });
      await eventually(() => assert(waits !== ""));
      await holder.unsafe("SET statement_timeout = '20s'");
      await holder.unsafe("CREATE INDEX CONCURRENTLY mine ON events_default (topic)");
      await holder.unsafe(`SELECT pg_advisory_unlock(${key})`);
      holder.release();
      assertEquals((await running).code, 0);
    },
  },
  {
    id: "Prisma Migrate #12999",
    severity: "S2",
    failure: "a failed run keeps its advisory lock",
    from: "Prisma Migrate #12999, #27636, #8038, #6768",
    shown: "A step fails: no advisory lock is left, and the next run need not wait.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      await sql`create table attempts (n int)`;
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 1);
      const left = await sql`select 1 from pg_locks l join pg_database d on d.oid = l.database
        where l.locktype = 'advisory' and d.datname = current_database()`;
      assertEquals(left.length, 0);
      await sql`drop table attempts`;
      assertEquals((await outpost("migrate apply --sql-only --yes --lock-wait 0")).code, 0);
    },
  },
];

/** The lock of golang-migrate in schema `public` of a database. */
function advisoryKey(database: string): bigint {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(`public\0schema_migrations\0${database}`)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (BigInt(~crc >>> 0) * 1486364155n) % (1n << 32n);
}

async function tablesOf(sql: Deployment["sql"]): Promise<string[]> {
  return (await sql`select relname from pg_class where relnamespace = 'public'::regnamespace order by 1`)
    .map(({ relname }) => relname);
}
