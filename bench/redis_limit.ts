/**
 * What a Redis can do at most: the plain commands that no way of doing the work avoids, once a record, on a server of the same data.
 * They are written down beforehand and sent as one stream, so that the server alone sets the pace.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import type { RedisServer } from "../tests/support/redis.ts";

/** What some work took, in milliseconds. */
export interface Cost {
  /** Time until it was done. */
  readonly ms: number;
  /** Time that the server's processor was at work. */
  readonly serverMs: number;
}

/** A kind of command that work is made of: the pages of all keys, or one for each record. */
export type Command = "scan" | "read" | "readBoth" | "exists" | "copy" | "write" | "unlink";

const KEYS_OF_PAGE = "1000";
const CHUNK = 64 * 1024;
const MILLISECONDS = "1705289400123";
/** The last command, and what it answers. */
const [LAST, LAST_REPLY] = [["ECHO", "all commands sent"], "$17\r\nall commands sent\r\n"] as const;

/** Sends the commands that some work cannot avoid, as many as there are records, to a server of legacy data that nobody else uses. */
export class LimitMeter {
  readonly #server: RedisServer;
  readonly #client: Redis;
  readonly #keys: readonly string[];

  private constructor(server: RedisServer, client: Redis, keys: readonly string[]) {
    this.#server = server;
    this.#client = client;
    this.#keys = keys;
  }

  static async create(server: RedisServer): Promise<LimitMeter> {
    const client = server.client();
    return new LimitMeter(server, client, (await pagesOf(client)).keys);
  }

  /** Each command is sent for all records before the next one is. */
  async measure(commands: readonly Command[]): Promise<Cost> {
    let [ms, serverMs] = [0, 0];
    for (const command of commands) {
      const cost = await measureStream(this.#server, this.#client, await this.#streamOf(command));
      [ms, serverMs] = [ms + cost.ms, serverMs + cost.serverMs];
    }
    return { ms, serverMs };
  }

  async #streamOf(command: Command): Promise<readonly (readonly string[])[]> {
    const keys = this.#keys;
    switch (command) {
      case "scan":
        return (await pagesOf(this.#client)).cursors.map((cursor) => ["SCAN", cursor, "COUNT", KEYS_OF_PAGE]);
      case "read":
        return keys.map((key) => ["HMGET", key, "id", "deleted_at", "created_at", "updated_at", "entity"]);
      case "readBoth":
        return keys.flatMap((key) => [["HGETALL", key], ["HGETALL", copyOf(key)]]);
      case "exists":
        return keys.map((key) => ["EXISTS", copyOf(key)]);
      case "copy":
        return keys.map((key) => ["COPY", key, copyOf(key)]);
      case "write":
        return keys.filter((key) => !key.endsWith(":destinations")).map((key) => [
          ...["HSET", copyOf(key), "created_at", MILLISECONDS, "updated_at", MILLISECONDS],
          ...["entity", "destination"],
        ]);
      case "unlink":
        return keys.map((key) => ["UNLINK", key]);
    }
  }
}

/** What commands cost that are sent as one stream. */
export async function measureStream(
  { port }: RedisServer,
  client: Redis,
  commands: readonly (readonly string[])[],
): Promise<Cost> {
  const chunks = encode(commands);
  const busyBefore = await serverCpuMs(client);
  const ms = await send(port, chunks);
  return { ms, serverMs: await serverCpuMs(client) - busyBefore };
}

/** All keys, and the cursors at which their pages begin. */
export async function pagesOf(
  client: Redis,
): Promise<{ readonly cursors: string[]; readonly keys: string[] }> {
  const [cursors, keys]: [string[], string[]] = [["0"], []];
  while (true) {
    const [next, page] = await client.scan(cursors.at(-1)!, "COUNT", KEYS_OF_PAGE);
    keys.push(...page);
    if (next === "0") return { cursors, keys };
    cursors.push(next);
  }
}

/** The current key of a legacy record. */
export function copyOf(key: string): string {
  const [, tenant, rest = "tenant"] = /^tenant:([^:]+)(?::(.*))?$/.exec(key)!;
  return `tenant:{${tenant}}:${rest}`;
}

function encode(commands: readonly (readonly string[])[]): Buffer[] {
  const chunks: Buffer[] = [];
  let text = "";
  for (const words of [...commands, LAST]) {
    text += `*${words.length}\r\n`;
    for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
    if (text.length < CHUNK && words !== LAST) continue;
    chunks.push(Buffer.from(text, "latin1"));
    text = "";
  }
  return chunks;
}

/** @returns Milliseconds until all was answered. */
async function send(port: number, chunks: readonly Buffer[]): Promise<number> {
  using connection = await Deno.connect({ port });
  const startedAt = performance.now();
  const answered = untilLastReply(connection);
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) at += await connection.write(chunk.subarray(at));
  }
  await answered;
  return performance.now() - startedAt;
}

async function untilLastReply(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (let end = ""; end !== LAST_REPLY;) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("The server hung up");
    const told = Buffer.from(buffer.subarray(Math.max(0, count - LAST_REPLY.length), count));
    end = (end + told.toString("latin1")).slice(-LAST_REPLY.length);
  }
}

/** Processor time that a server has used so far, in milliseconds. */
export async function serverCpuMs(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const seconds = (name: string) => Number(new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1]);
  return 1000 * (seconds("used_cpu_sys") + seconds("used_cpu_user"));
}

/** Commands from a millisecond on are noted by the server, from now on. */
export async function watchSlowCommands(client: Redis): Promise<void> {
  await client.config("SET", "slowlog-log-slower-than", "1000");
  await client.config("SET", "slowlog-max-len", "20000");
  await client.call("SLOWLOG", "RESET");
}

/** The slowest command since {@linkcode watchSlowCommands}, in milliseconds. */
export async function slowestCommandMs(client: Redis): Promise<number> {
  const slow = await client.call("SLOWLOG", "GET", "20000") as [number, number, number, string[]][];
  return Math.max(1000, ...slow.map(([, , us]) => us)) / 1000;
}
