/**
 * A real ClickHouse engine for tests: chdb, fetched by npm into .cache/ once, behind a small HTTP server of its own.
 *
 * @module
 */

import type { ClickHouseClient } from "@clickhouse/client";
import { dirname, fromFileUrl } from "@std/path";
import { connectClickHouse } from "../../cli/stores/clickhouse.ts";
import { findProgram, makeServerFolder, type Server, stop } from "./server.ts";

const CHDB = "chdb@3.4.0";

/** A ClickHouse of this test's own. */
export interface ClickHouseServer extends Server {
  /** Creates an empty database. @returns A client for it, closed with the server. */
  createDatabase(): Promise<{ readonly name: string; readonly client: ClickHouseClient }>;
}

/**
 * Starts the engine on a free port. The variable `OUTPOST_TESTS_CLICKHOUSE` names a server that runs, as `host:port` of its HTTP
 * interface, where the default user may create databases without a password: then tests have theirs there.
 */
export async function startClickHouse(): Promise<ClickHouseServer> {
  const address = Deno.env.get("OUTPOST_TESTS_CLICKHOUSE");
  return address === undefined ? await startEngine() : useServer(address);
}

/** A server that is there before a test and after it. */
function useServer(address: string): ClickHouseServer {
  const [host = "127.0.0.1", port = "8123"] = address.split(":");
  const clients = new Clients(address);
  const names: string[] = [];
  return {
    host,
    port: Number(port),
    pid: 0,
    async createDatabase() {
      const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
      names.push(name);
      return await clients.createDatabase(name);
    },
    async [Symbol.asyncDispose]() {
      for (const name of names) await clients.admin.command({ query: `DROP DATABASE IF EXISTS ${name}` });
      await clients.close();
    },
  };
}

/** The clients of a test. */
class Clients {
  readonly admin: ClickHouseClient;
  readonly #address: string;
  readonly #open: ClickHouseClient[] = [];

  constructor(address: string) {
    this.#address = address;
    this.admin = this.#connect("default");
  }

  async createDatabase(name: string): Promise<{ readonly name: string; readonly client: ClickHouseClient }> {
    await this.admin.command({ query: `CREATE DATABASE ${name}` });
    return { name, client: this.#connect(name) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((client) => client.close()));
  }

  #connect(database: string): ClickHouseClient {
    const client = connectClickHouse({
      addr: this.#address,
      username: "",
      password: "",
      database,
      tls: false,
    });
    this.#open.push(client);
    return client;
  }
}

async function startEngine(): Promise<ClickHouseServer> {
  const packages = await installed();
  const data = await makeServerFolder("outpost-clickhouse-");
  const node = findProgram("node", "nodejs");
  const script = fromFileUrl(new URL("clickhouse_server.mjs", import.meta.url));
  const process = new Deno.Command(node, {
    args: [script, packages, data],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value));
  const clients = new Clients(`127.0.0.1:${port}`);
  let databases = 0;
  return {
    host: "127.0.0.1",
    port,
    pid: process.pid,
    createDatabase: () => clients.createDatabase(`test_${++databases}`),
    async [Symbol.asyncDispose]() {
      await clients.close();
      await stop(process);
      await reader.cancel();
      for (const made of [data, `${data}.xml`]) await Deno.remove(made, { recursive: true }).catch(() => {});
    },
  };
}

/** The folder that holds the engine. It is large: one test fetches it, and the others wait for that one. */
async function installed(): Promise<string> {
  const directory = fromFileUrl(new URL(`../../.cache/${CHDB.replace("@", "-")}`, import.meta.url));
  if (await exists(directory)) return directory;
  await Deno.mkdir(dirname(directory), { recursive: true });
  using fetching = await Deno.open(`${directory}.lock`, { create: true, write: true });
  await fetching.lock(true);
  if (!await exists(directory)) await fetchInto(directory);
  return directory;
}

/** Makes it beside its name and then under it, so that it is there only once all of it is. Tries twice: networks fail. */
async function fetchInto(directory: string): Promise<void> {
  const making = `${directory}.${crypto.randomUUID()}`;
  await Deno.mkdir(making, { recursive: true });
  try {
    await Deno.writeTextFile(`${making}/package.json`, '{ "private": true }\n');
    await install(making).catch(() => install(making));
    await Deno.rename(making, directory);
  } finally {
    await Deno.remove(making, { recursive: true }).catch(() => {});
  }
}

/** Lets npm work in the folder itself: with `--prefix` it would not see the machine's npmrc, nor the proxy that one names. */
async function install(directory: string): Promise<void> {
  const quiet = ["--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock"];
  const bounded = ["--fetch-retries=1", "--fetch-timeout=60000"];
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", ...quiet, ...bounded, "--ignore-scripts", "--include=optional", CHDB],
    cwd: directory,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`npm could not install ${CHDB}: ${new TextDecoder().decode(stderr)}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
