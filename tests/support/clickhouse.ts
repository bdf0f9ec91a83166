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
  const directory = await installed();
  const node = findProgram("node", "nodejs");
  const script = fromFileUrl(new URL("clickhouse_server.mjs", import.meta.url));
  const process = new Deno.Command(node, {
    args: [script, directory],
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
      await Deno.remove(`${directory}/data-${process.pid}`, { recursive: true }).catch(() => {});
    },
  };
}

async function installed(): Promise<string> {
  const directory = fromFileUrl(new URL(`../../.cache/${CHDB.replace("@", "-")}`, import.meta.url));
  try {
    await Deno.stat(`${directory}/node_modules/chdb`);
    return directory;
  } catch {
    await Deno.mkdir(directory, { recursive: true });
  }
  await Deno.writeTextFile(`${directory}/package.json`, "{}\n");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--silent", "--no-audit", "--no-fund", "--prefix", directory, CHDB],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`npm could not install ${CHDB}: ${new TextDecoder().decode(stderr)}`);
  return directory;
}
