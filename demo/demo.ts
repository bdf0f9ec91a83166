/**
 * Migrates an old Outpost on real servers, from refusal to start, as a person at a terminal would see it: with a record that cannot
 * be converted, and with somebody who is in the way.
 *
 *   deno run -A demo/demo.ts [--tenants 400] [--program PATH]
 *
 * With `--program` the commands are run by that binary instead of this checkout.
 *
 * @module
 */

import { getColorEnabled, green, red, setColorEnabled } from "@std/fmt/colors";
import { resolve } from "@std/path";
import { parseArgs } from "node:util";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { type LegacyCounts, seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { bringToVersion } from "../tests/support/outpost_database.ts";
import { holdTable, spoilRecord } from "./trouble.ts";
import { type Servers, startServers } from "./servers.ts";
import { note, print, Stage, UnexpectedStatus } from "./stage.ts";

const EVENTS = 4000;
const ORPHANS = 12;
const DESTINATIONS = 5;
/** Rows a second while tables are prepared, so that there is something to look at. */
const GENTLY = "3000";
const SPOILED = "tenant:tenant_0000007";

const { values } = parseArgs({
  args: Deno.args,
  options: { tenants: { type: "string", default: "400" }, program: { type: "string" } },
});
const startedAt = performance.now();
setColorEnabled(getColorEnabled() && Deno.stdout.isTerminal());

await using servers = await startServers();
note(`Postgres and Redis are running (${servers.kind}). Filling them with the data of an old Outpost ...`);
const { tenants, deletedTenants } = await fill(servers);
note(
  `Redis: ${tenants} tenants with ${DESTINATIONS} destinations each and ${deletedTenants} deleted ones, in the legacy form; ` +
    `the time of one is "yesterday".`,
);
note(
  `Postgres: version 4, ${EVENTS} events and ${
    EVENTS + ORPHANS
  } deliveries, ${ORPHANS} of them without an event.`,
);
try {
  await play();
} catch (error) {
  if (!(error instanceof UnexpectedStatus)) throw error;
  print(red(error.message));
  Deno.exitCode = 1;
}
note(
  green(`Done in ${((performance.now() - startedAt) / 1000).toFixed(0)} s, on servers that are stopped now.`),
);

async function play(): Promise<void> {
  const { postgresUrl, redis: { host, port, cli } } = servers;
  const folder = await Deno.makeTempDir({ prefix: "outpost-demo-" });
  await using _removed = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const env = { POSTGRES_URL: postgresUrl, REDIS_HOST: host, REDIS_PORT: String(port) };
  const program = values.program === undefined ? undefined : resolve(values.program);
  const stage = new Stage({ program, env, folder });
  const server = ["serve", "--", "echo", "server is running"];
  const apply = ["migrate", "apply", "--plan", "plan.json", "--yes"];

  await stage.run("An old deployment, a new server: it refuses to start.", 1, ...server);
  const plan = ["migrate", "plan", "--out", "plan.json"];
  await stage.run("What would change, where, and what cannot be converted?", 0, ...plan);
  await stage.run("Somebody applies it all the same: nothing is changed.", 1, ...apply);
  const repair = ["HSET", SPOILED, "created_at", "2024-01-15T10:30:00Z"];
  const typed = ["redis-cli", ...repair];
  await stage.other("So it is repaired, under the name that it has now.", typed, [...cli, ...repair]);

  const gently = ["migrate", "prepare", "--max-rate", GENTLY];
  const prepare = stage.start("The long work, while the old server goes on.", ...gently);
  await prepare.saying("copying events");
  await stage.run("Meanwhile, from elsewhere: how far is it?", 0, "migrate", "status");
  await prepare.end("And in its own terminal:");

  await using report = await holdTable(postgresUrl, "events");
  // The lock tells others with each heartbeat how far a run is: two a second then.
  const often = ["--lock-ttl", "3s"];
  const run = stage.start(
    "The old server is stopped: the same plan, which is still good.",
    ...apply,
    ...often,
  );
  await run.saying("attempt 4");
  await stage.run("It waits. Meanwhile, from elsewhere: what for?", 0, "migrate", "status");
  await report.letGo();
  const free = performance.now();
  await run.end("That transaction is ended, and the run goes on:");
  note(`The outage from there to the last record: ${Math.round(performance.now() - free)} ms.`);

  await stage.run("Prove it, every record.", 0, "migrate", "verify", "--full");
  await stage.run("Delete the old keys, each only with its copy proven.", 0, "migrate", "cleanup", "--yes");
  await stage.run("The server starts.", 0, ...server);
}

async function fill({ redis, postgresUrl }: Servers): Promise<LegacyCounts> {
  // One in fifty is deleted: so many more that the number asked for is alive.
  const tenants = Math.ceil(Number(values.tenants) / 0.98) + 1;
  const [counts] = await Promise.all([
    seedLegacyRedis(redis, { tenants, destinationsPerTenant: DESTINATIONS, deletedShare: 0.02 })
      .then(async (counts) => {
        await spoilRecord(redis, SPOILED);
        return counts;
      }),
    bringToVersion(postgresUrl, 4, (sql) => fillLegacyLog(sql, { events: EVENTS, orphans: ORPHANS })),
  ]);
  return counts;
}
