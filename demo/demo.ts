/**
 * Migrates an old Outpost on real servers, from refusal to start, as a person at a terminal would see it.
 *
 *   deno run -A demo/demo.ts [--tenants 2000] [--program PATH]
 *
 * With `--program` the commands are run by that binary instead of this checkout.
 *
 * @module
 */

import { bold, cyan, dim, green, red } from "@std/fmt/colors";
import { fromFileUrl } from "@std/path";
import { parseArgs } from "node:util";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { type LegacyCounts, seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { inheritedEnv } from "../tests/support/environment.ts";
import { bringToVersion } from "../tests/support/outpost_database.ts";
import { type Servers, startServers } from "./servers.ts";

const EVENTS = 20_000;
const ORPHANS = 12;
const DESTINATIONS = 5;

const { values } = parseArgs({
  args: Deno.args,
  options: { tenants: { type: "string", default: "2000" }, program: { type: "string" } },
});
const startedAt = performance.now();

await using servers = await startServers();
note(`Postgres and Redis are running (${servers.kind}). Filling them with the data of an old Outpost ...`);
const { tenants, deletedTenants } = await fill(servers);
note(
  `Redis: ${tenants} tenants with ${DESTINATIONS} destinations each and ${deletedTenants} deleted ones, in the legacy form.`,
);
note(
  `Postgres: version 4, ${EVENTS} events and ${
    EVENTS + ORPHANS
  } deliveries, ${ORPHANS} of them without an event.`,
);

/** Said of the one command for which nothing may run. */
const OUTAGE = "The old server is stopped. Switch, and migrate Redis.";

/** What a person would type, and the exit status that it should have. */
const steps: readonly (readonly [why: string, status: number, ...args: readonly string[]])[] = [
  ["An old deployment, a new server: it refuses to start.", 1, "serve", "--", "echo", "server is running"],
  ["What is there to do?", 0, "migrate", "status"],
  ["And what exactly would change?", 0, "migrate", "plan"],
  ["The long work, while the old server goes on.", 0, "migrate", "prepare"],
  [OUTAGE, 0, "migrate", "apply", "--yes"],
  ["Again: nothing to do.", 0, "migrate", "apply", "--yes"],
  ["Prove it, every record.", 0, "migrate", "verify", "--full"],
  ["Delete the old keys, each only with its copy proven.", 0, "migrate", "cleanup", "--yes"],
  ["The server starts.", 0, "serve", "--", "echo", "server is running"],
];
for (const [why, expected, ...args] of steps) {
  const begun = performance.now();
  const status = await step(why, args);
  if (why === OUTAGE) {
    note(`The outage: ${Math.round(performance.now() - begun)} ms, with the start of the program.`);
  }
  if (status === expected) continue;
  print(red(`The demo expected exit status ${expected}.`));
  Deno.exitCode = 1;
  break;
}
note(
  green(`Done in ${((performance.now() - startedAt) / 1000).toFixed(0)} s, on servers that are stopped now.`),
);

async function fill({ redis, postgresUrl }: Servers): Promise<LegacyCounts> {
  // One in fifty is deleted: so many more that the number asked for is alive.
  const tenants = Math.ceil(Number(values.tenants) / 0.98) + 1;
  const [counts] = await Promise.all([
    seedLegacyRedis(redis, { tenants, destinationsPerTenant: DESTINATIONS, deletedShare: 0.02 }),
    bringToVersion(postgresUrl, 4, (sql) => fillLegacyLog(sql, { events: EVENTS, orphans: ORPHANS })),
  ]);
  return counts;
}

/** Shows a command and runs it. @returns Its exit status. */
async function step(why: string, args: readonly string[]): Promise<number> {
  print(`\n${bold(why)}\n${cyan("$")} outpost ${args.join(" ")}`);
  const [program, ...first] = values.program === undefined
    ? [Deno.execPath(), "run", "-A", "--quiet", fromFileUrl(new URL("../main.ts", import.meta.url))]
    : [values.program];
  const { code } = await new Deno.Command(program!, {
    args: [...first, ...args],
    clearEnv: true,
    env: {
      ...inheritedEnv(["TERM", "NO_COLOR"]),
      CONFIG: fromFileUrl(new URL("../tests/support/empty.yaml", import.meta.url)),
      POSTGRES_URL: servers.postgresUrl,
      REDIS_HOST: servers.redis.host,
      REDIS_PORT: String(servers.redis.port),
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  print(dim(`(exit status ${code})`));
  return code;
}

function note(text: string): void {
  print(dim(`# `) + text);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
