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
import { parseArgs } from "node:util";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { bringToVersion } from "../tests/support/outpost_database.ts";
import { type Servers, startServers } from "./servers.ts";

const EVENTS = 20_000;
const ORPHANS = 12;
const DESTINATIONS = 5;

const { values } = parseArgs({
  args: Deno.args,
  options: { tenants: { type: "string", default: "2000" }, program: { type: "string" } },
});
const tenants = Number(values.tenants);
const startedAt = performance.now();

await using servers = await startServers();
note(`Postgres and Redis are running (${servers.kind}). Filling them with the data of an old Outpost ...`);
await fill(servers);
note(`Redis: ${tenants} tenants with ${DESTINATIONS} destinations each, in the legacy form.`);
note(`Postgres: version 4, ${EVENTS} events and ${EVENTS + ORPHANS} deliveries, ${ORPHANS} of them without an event.`);

await step("An old deployment, a new server: it refuses to start.", 1, "serve", "--", "echo", "server is running");
await step("What is there to do?", 0, "migrate", "status");
await step("And what exactly would change?", 0, "migrate", "plan");
await step("Do it.", 0, "migrate", "apply", "--yes");
await step("Again: nothing to do.", 0, "migrate", "apply", "--yes");
await step("Prove it, every record.", 0, "migrate", "verify", "--full");
await step("Delete the old keys, each only with its copy proven.", 0, "migrate", "cleanup", "--yes");
await step("The server starts.", 0, "serve", "--", "echo", "server is running");
note(green(`Done in ${((performance.now() - startedAt) / 1000).toFixed(0)} s, on servers that are stopped now.`));

async function fill({ redis, postgresUrl }: Servers): Promise<void> {
  await Promise.all([
    seedLegacyRedis({ ...redis, tenants, destinations: DESTINATIONS }),
    bringToVersion(postgresUrl, 4, (sql) => fillLegacyLog(sql, { events: EVENTS, orphans: ORPHANS })),
  ]);
}

/** Shows a command, runs it, and ends the demo when it does not end as it should. */
async function step(why: string, status: number, ...args: readonly string[]): Promise<void> {
  print(`\n${bold(why)}\n${cyan("$")} outpost ${args.join(" ")}`);
  const [program, ...first] = values.program === undefined
    ? [Deno.execPath(), "run", "-A", "--quiet", new URL("../main.ts", import.meta.url).pathname]
    : [values.program];
  const { code } = await new Deno.Command(program!, {
    args: [...first, ...args],
    env: {
      POSTGRES_URL: servers.postgresUrl,
      REDIS_HOST: servers.redis.host,
      REDIS_PORT: String(servers.redis.port),
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  print(dim(`(exit status ${code})`));
  if (code !== status) {
    print(red(`The demo expected exit status ${status}.`));
    Deno.exit(1);
  }
}

function note(text: string): void {
  print(dim(`# `) + text);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
