/**
 * An upgrade of a real Outpost: an old server writes through its API, the data is migrated, and a new server reads it, writes, and
 * reads again through its own. The tool of the new release then finds nothing to do.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runCli } from "../support/cli.ts";
import { startPostgres } from "../support/postgres.ts";
import { startRedis } from "../support/redis.ts";
import { eventually, freePort, spawnServer, stop } from "../support/server.ts";
import type { Release } from "./releases.ts";

const TENANTS = ["acme", "a:b", "weiß"];
const DESTINATIONS = ["d1", "d2"];
const KEY = "key";

/** Takes data from one release to another. @param say Told of each part that is done. */
export async function upgrade(old: Release, latest: Release, say: (line: string) => void): Promise<void> {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const stores = {
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: String(redis.port),
    POSTGRES_URL: await postgres.createDatabase(),
  };
  {
    await using server = await start(old, stores);
    for (const tenant of TENANTS) await server.create(tenant, DESTINATIONS);
    say(`${old.version} wrote ${TENANTS.length} tenants with ${DESTINATIONS.length} destinations each`);
  }
  for (const line of ["plan", "apply --yes", "verify --full", "cleanup --yes", "status"]) {
    const { code, stdout, stderr } = await runCli(["migrate", ...line.split(" ")], { env: stores });
    assertEquals(code, 0, `${line}\n${stdout}${stderr}`);
  }
  say("planned, applied, verified and cleaned up");
  {
    await using server = await start(latest, stores);
    for (const tenant of TENANTS) assertEquals(await server.destinationsOf(tenant), DESTINATIONS, tenant);
    await server.create("new", DESTINATIONS);
    assertEquals(await server.destinationsOf("new"), DESTINATIONS);
    say(`${latest.version} reads all of them, and what it writes itself`);
  }
  const { code, stderr } = await new Deno.Command(latest.tool, {
    args: ["migrate", "apply", "--yes"],
    env: environment(stores, 0),
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const verified = await runCli(["migrate", "verify", "--full"], { env: stores });
  assertEquals(verified.code, 0, verified.stdout);
  say(`the tool of ${latest.version} has nothing to do, and what it leaves is verified`);
}

/** What a server needs. What else it takes, a message queue for one, comes from the environment of the task. */
function environment(stores: Readonly<Record<string, string>>, port: number): Record<string, string> {
  return {
    API_KEY: KEY,
    API_JWT_SECRET: "secret",
    AES_ENCRYPTION_SECRET: "0123456789abcdef0123456789abcdef",
    TOPICS: "user.created",
    ...Deno.env.toObject(),
    ...stores,
    API_PORT: String(port),
    PORT: String(port),
  };
}

/** Starts a server and waits until it answers. */
async function start({ server, version }: Release, stores: Readonly<Record<string, string>>) {
  const port = freePort();
  const process = spawnServer(server, [], { env: environment(stores, port) });
  let ended = false;
  process.status.then(() => ended = true);
  await eventually(async () => {
    if (ended) return;
    await (await fetch(`http://127.0.0.1:${port}/api/v1/healthz`)).body?.cancel();
  }, 60_000);
  assert(
    !ended,
    `${version} ended when it was started: it needs a message queue, as RABBITMQ_SERVER_URL names one`,
  );
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/tenants/${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert(response.ok, `${version}: ${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  return {
    async create(tenant: string, destinations: readonly string[]) {
      await ask("PUT", encodeURIComponent(tenant));
      for (const id of destinations) {
        const config = { url: "http://127.0.0.1:9/hook" };
        await ask("POST", `${encodeURIComponent(tenant)}/destinations`, {
          id,
          type: "webhook",
          topics: ["*"],
          config,
        });
      }
    },
    async destinationsOf(tenant: string): Promise<string[]> {
      await ask("GET", encodeURIComponent(tenant));
      const all = await ask("GET", `${encodeURIComponent(tenant)}/destinations`) as { readonly id: string }[];
      return all.map(({ id }) => id).sort();
    },
    [Symbol.asyncDispose]: () => stop(process),
  };
}
