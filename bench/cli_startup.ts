/**
 * What the command line costs beyond Deno itself, as ratios to `deno eval 0`: a command that asks no store, and an `apply`
 * that finds nothing to do, which every start of a server runs.
 *
 *   deno run -A bench/cli_startup.ts [--runs 20]
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { parseArgs } from "node:util";
import { bringToVersion } from "../tests/support/outpost_database.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { startRedis } from "../tests/support/redis.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" } } });
await using postgres = await startPostgres();
await using redis = await startRedis();
const url = await postgres.createDatabase();
await bringToVersion(url, 10);
const env = { POSTGRES_URL: url, REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) };
const program = ["run", "-A", "--quiet", fromFileUrl(new URL("../main.ts", import.meta.url))];
await timeMs([...program, "migrate", "apply", "--yes"]); // The last that has anything to do.

const commands = {
  "outpost --version": [...program, "--version"],
  "outpost migrate apply --yes, nothing pending": [...program, "migrate", "apply", "--yes"],
};
const fastest = new Map<string, number>();
let fastestEmpty = Infinity;
for (let i = 0; i < Number(values.runs); i++) { // In turns, so that a busy machine slows all alike.
  fastestEmpty = Math.min(fastestEmpty, await timeMs(["eval", "0"]));
  for (const [name, args] of Object.entries(commands)) {
    fastest.set(name, Math.min(fastest.get(name) ?? Infinity, await timeMs(args)));
  }
}
for (const [name, ms] of fastest) {
  Deno.stdout.writeSync(
    new TextEncoder().encode(`${name.padEnd(46)} ${(ms / fastestEmpty).toFixed(1)} x deno eval 0\n`),
  );
}

async function timeMs(args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) {
    throw new Error(`deno ${args.join(" ")} ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  return performance.now() - startedAt;
}
