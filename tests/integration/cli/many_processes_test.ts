import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { fillLegacyLog } from "../../support/legacy_postgres_data.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

// OUTPOST_TESTS_MANY=50 is the size of a large deployment; CI has two cores.
const PROCESSES = Number(Deno.env.get("OUTPOST_TESTS_MANY") ?? 20);
const MAIN = fromFileUrl(new URL("../../../main.ts", import.meta.url));

interface Summary {
  readonly event: string;
  readonly ok: boolean;
  readonly applied: readonly string[];
}

Deno.test(`apply by ${PROCESSES} processes at once: one applies, all succeed, nothing is done twice`, async () => {
  // A connection for each and few more: who waits for the lock must not keep a second one, that of its session.
  await using postgres = await startPostgres({ max_connections: String(PROCESSES + 8) });
  await using redis = await startRedis();
  const url = await postgres.createDatabase();
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 500, orphans: 7 }));
  await seedLegacyRedis(redis, { tenants: 300, destinationsPerTenant: 2 });
  const env = { POSTGRES_URL: url, REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) };

  const runs = await Promise.all(Array.from({ length: PROCESSES }, () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        MAIN,
        "migrate",
        "apply",
        "--yes",
        "--json",
        "--lock-wait",
        "5m",
      ],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output()));

  const texts = runs.map(({ stdout, stderr }) =>
    [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes))
  );
  assertEquals(runs.map(({ code }) => code), runs.map(() => 0), texts.map(([, stderr]) => stderr).join("\n"));
  const summaries = texts.map(([stdout]) => JSON.parse(stdout!.trimEnd().split("\n").at(-1)!) as Summary);
  assertEquals(summaries.every(({ event, ok }) => event === "summary" && ok), true);
  assertEquals(summaries.filter(({ applied }) => applied.length > 0).map(({ applied }) => applied.length), [
    9,
  ]);

  const sql = postgres.client(url);
  const history = await sql<{ version: string; times: string }[]>`
    SELECT version::text, count(*)::text AS times FROM outpost_migrations GROUP BY version ORDER BY version::bigint`;
  assertEquals(
    history.map(({ version, times }) => [Number(version), Number(times)]),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((v) => [v, 1]),
  );
  const [quarantined] = await sql`SELECT count(*)::int AS n FROM outpost_quarantine`;
  assertEquals(quarantined!["n"], 7 + 500);
  assertEquals((await redis.client().keys("outpost:migration:*")).sort(), [
    "outpost:migration:001_hash_tags",
    "outpost:migration:002_timestamps",
    "outpost:migration:003_entity",
  ]);
});
