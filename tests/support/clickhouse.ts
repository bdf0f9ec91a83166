/**
 * A real ClickHouse engine for tests: chdb, fetched by npm into .cache/ once, behind a small HTTP server of its own.
 *
 * @module
 */

import type { ClickHouseClient } from "@clickhouse/client";
import { fromFileUrl } from "@std/path";
import { connectClickHouse } from "../../cli/stores/clickhouse.ts";
import { findProgram, type Server, stop } from "./server.ts";

const CHDB = "chdb@3.4.0";

/** A ClickHouse of this test's own. */
export interface ClickHouseServer extends Server {
  /** Creates an empty database. @returns A client for it, closed with the server. */
  createDatabase(): Promise<{ readonly name: string; readonly client: ClickHouseClient }>;
}

/** Starts the engine on a free port. */
export async function startClickHouse(): Promise<ClickHouseServer> {
  const packages = await installed();
  const data = await Deno.makeTempDir({ prefix: "outpost-clickhouse-" });
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
  const clients: ClickHouseClient[] = [];
  const open = (database: string) => {
    const client = connectClickHouse({
      addr: `127.0.0.1:${port}`,
      username: "",
      password: "",
      database,
      tls: false,
    });
    clients.push(client);
    return client;
  };
  const admin = open("default");
  let databases = 0;
  return {
    host: "127.0.0.1",
    port,
    pid: process.pid,
    async createDatabase() {
      const name = `test_${++databases}`;
      await admin.command({ query: `CREATE DATABASE ${name}` });
      return { name, client: open(name) };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()));
      await stop(process);
      await reader.cancel();
      await Deno.remove(data, { recursive: true }).catch(() => {});
    },
  };
}

/** The folder that holds the engine: made beside its name and then under it, so that it is there only once all of it is. */
async function installed(): Promise<string> {
  const directory = fromFileUrl(new URL(`../../.cache/${CHDB.replace("@", "-")}`, import.meta.url));
  if (await exists(directory)) return directory;
  const making = `${directory}.${crypto.randomUUID()}`;
  await Deno.mkdir(making, { recursive: true });
  try {
    await Deno.writeTextFile(`${making}/package.json`, '{ "private": true }\n');
    await install(making);
    await Deno.rename(making, directory).catch(async (error) => {
      if (!await exists(directory)) throw error; // Else another test was first.
    });
  } finally {
    await Deno.remove(making, { recursive: true }).catch(() => {});
  }
  return directory;
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
