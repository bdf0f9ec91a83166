/**
 * The main job, done by whatever form of the program: an old Outpost is refused, planned, migrated, verified, cleaned and
 * served.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import type { Outcome } from "./outcome.ts";

const TENANTS = 40;
const DESTINATIONS = 3;
const EVENTS = 200;
const ORPHANS = 4;

/** One form of the program. */
export interface Program {
  /** Runs it with these arguments and this environment. */
  run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome>;
  /** A command that exists where this form runs, prints something and ends with 0: it plays the server. */
  readonly server: readonly string[];
}

/** Starts both stores with the data of an old Outpost, does the main job, and looks at the data itself. */
export async function doMainJob(program: Program): Promise<void> {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const postgresUrl = await postgres.createDatabase("outpost");
  await bringToVersion(postgresUrl, 4, (sql) => fillLegacyLog(sql, { events: EVENTS, orphans: ORPHANS }));
  await seedLegacyRedis(redis, { tenants: TENANTS, destinationsPerTenant: DESTINATIONS, deletedShare: 0 });
  const env = { REDIS_HOST: redis.host, REDIS_PORT: String(redis.port), POSTGRES_URL: postgresUrl };
  const expect = async (code: number, ...args: readonly string[]) => {
    const outcome = await program.run(args, env);
    assertEquals(outcome.code, code, `outpost ${args.join(" ")}\n${outcome.stdout}\n${outcome.stderr}`);
    return outcome.stdout;
  };
  const pending = async () => JSON.parse(await expect(0, "migrate", "list", "--json")).pending;

  await expect(1, "serve", "--", ...program.server);
  assertEquals(await pending(), { sql: 6, redis: 3 });
  const plan = JSON.parse(await expect(0, "migrate", "plan", "--json"));
  assert(plan.has_changes);
  assertEquals(plan.sql.steps.length, 6);
  await expect(0, "migrate", "apply", "--yes");
  assertEquals(await pending(), { sql: 0, redis: 0 });
  await expect(0, "migrate", "apply", "--yes");
  await expect(0, "migrate", "verify", "--full");
  await expect(0, "migrate", "cleanup", "--yes");
  assert((await expect(0, "serve", "--", ...program.server)) !== "");
  await assertMigrated(redis, postgres, postgresUrl);
}

async function assertMigrated(redis: RedisServer, postgres: PostgresServer, url: string): Promise<void> {
  const client = redis.client();
  const keys = await client.keys("*");
  assertEquals(keys.filter((key) => /^tenant:\{.*\}:tenant$/.test(key)).length, TENANTS);
  assertEquals(keys.filter((key) => /^tenant:\{.*\}:destination:/.test(key)).length, TENANTS * DESTINATIONS);
  assertEquals(keys.filter((key) => /^tenant:(?!\{)/.test(key)), []);
  const tenant = await client.hgetall(keys.find((key) => /^tenant:\{.*\}:tenant$/.test(key))!);
  assertEquals(tenant["entity"], "tenant");
  assert(/^\d{13}$/.test(tenant["created_at"]!), tenant["created_at"]);

  const sql = postgres.client(url, { max: 1 });
  const [state] = await sql`SELECT version::int, dirty FROM schema_migrations`;
  assertEquals({ ...state }, { version: 10, dirty: false });
  const [rows] = await sql`SELECT count(*)::int AS attempts FROM attempts`;
  assertEquals(rows!["attempts"], EVENTS);
}
