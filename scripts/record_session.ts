/**
 * Records the terminal session that the README shows, from the real program on real servers.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { bringToVersion } from "../tests/support/outpost_database.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { startRedis } from "../tests/support/redis.ts";

const COMMANDS = [
  "serve -- outpost-server",
  "migrate status",
  "migrate plan sql/5",
  "migrate apply --yes",
  "migrate verify --full",
  "serve -- echo the server is running",
];

/** Runs the commands one after the other. @returns Lines as a terminal got them, with their colours. */
export async function recordSession(): Promise<string[]> {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  const url = await postgres.createDatabase("outpost");
  await bringToVersion(url, 4, (sql) => fillLegacyLog(sql, { events: 20_000, orphans: 12 }));
  await seedLegacyRedis(redis, { tenants: 2000, destinationsPerTenant: 5 });
  const env = {
    POSTGRES_URL: url,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    FORCE_COLOR: "1",
    NO_COLOR: "",
  };
  const lines: string[] = [];
  for (const command of COMMANDS) {
    if (lines.length > 0) lines.push("");
    lines.push(`\x1b[1m\x1b[32m$\x1b[39m outpost ${command}\x1b[22m`, ...await run(command.split(" "), env));
  }
  // The servers of a recording stand on free ports, which say nothing to a reader.
  return lines.map((line) =>
    line.replaceAll(new URL(url).host, "db:5432").replaceAll(`${redis.host}:${redis.port}`, "redis:6379")
  );
}

/** How far a migration is, told every few seconds: on a fast machine never. */
const PROGRESS = /^(sql|redis)\/\S+ {2}(statement )?\d/;

async function run(args: readonly string[], env: Record<string, string>): Promise<string[]> {
  const program = fromFileUrl(new URL("../main.ts", import.meta.url));
  // Through a shell, so that both streams come in the order in which they were written.
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'exec "$@" 2>&1', "sh", Deno.execPath(), "run", "-A", "--quiet", program, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n").filter((line) => !PROGRESS.test(line));
}

/** A recording without what differs from run to run and from server to server: durations, sizes, and their padding. */
export function withoutMeasurements(text: string): string {
  return text.replaceAll(/\d+(\.\d+)? (ms|s|min|B|KiB|MiB)\b/g, "#").replaceAll(/ +/g, " ");
}
