/**
 * Where advice is tried: one Redis and one Postgres, emptied for each.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import type postgres from "postgres";
import { type CliOptions, type CliResult, NO_SETTINGS, runInProcess } from "../../support/cli.ts";
import { bringToVersion } from "../../support/outpost_database.ts";
import { seedLegacyTenant, seedVersion4 } from "../../support/outpost_data.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";

/** The stores, and the program over them. */
export class World implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly client: Redis;
  /** A folder for files, its name in `env.FOLDER`. */
  readonly folder: string;
  url = "";
  env: Record<string, string> = {};
  #databases = 0;
  /** A database that nobody has used so far. */
  #empty = "";
  /** What {@linkcode World.current} makes: the records, with the database of that name. */
  #current: readonly StoredRecord[] | null = null;

  private constructor(redis: RedisServer, postgres: PostgresServer, folder: string) {
    this.redis = redis;
    this.postgres = postgres;
    this.client = redis.client();
    this.folder = folder;
  }

  static async start(): Promise<World> {
    const [redis, postgres] = await Promise.all([
      startRedis(),
      startPostgres({ max_prepared_transactions: "5" }),
    ]);
    const world = new World(redis, postgres, await Deno.makeTempDir({ prefix: "outpost-advice-" }));
    const template = await postgres.createDatabase("old_outpost");
    await bringToVersion(template, 4, seedVersion4);
    return world;
  }

  /** Empties both stores. */
  async begin(): Promise<void> {
    await this.client.config("SET", "maxmemory", "0");
    await this.client.call("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all");
    await this.client.flushall();
    // Hundreds of megabytes else, which a standby would get as well.
    if (this.url !== "") await this.postgres.dropDatabase(this.url);
    if (this.url === this.#empty) this.#empty = await this.postgres.createDatabase();
    this.#use(this.#empty);
  }

  /** Makes an Outpost of before these migrations: version 4 and one tenant. */
  async old(): Promise<void> {
    this.#use(await this.postgres.copyDatabase("old_outpost", `old_${++this.#databases}`));
    await seedLegacyTenant(this.client, "acme", 2);
  }

  /** Makes one where everything is applied. */
  async current(): Promise<void> {
    if (this.#current === null) {
      await this.old();
      assertEquals((await this.outpost("migrate apply --yes --quiet")).code, 0);
      await this.postgres.copyDatabase(`old_${this.#databases}`, "current_outpost");
      this.#current = await storedRecords(this.client);
    } else {
      this.#use(await this.postgres.copyDatabase("current_outpost", `current_${++this.#databases}`));
      for (const record of this.#current) await this.client.call("RESTORE", ...record);
    }
  }

  /** A client for the database. */
  sql(): postgres.Sql {
    return this.postgres.client(this.url);
  }

  /** Runs a command line as somebody writes it, with or without the program's name. Quotes and the folder are understood. */
  outpost(line: string, options: CliOptions = {}): Promise<CliResult> {
    const words = [...line.replaceAll("FOLDER", this.folder).matchAll(/'([^']*)'|(\S+)/g)]
      .map(([, quoted, plain]) => quoted ?? plain!);
    if (words[0] === "outpost") words.shift();
    return runInProcess(words, { ...options, env: { ...this.env, ...options.env } });
  }

  /** The same by a person on a terminal, who says yes. */
  agreed(line: string): Promise<CliResult> {
    return this.outpost(line, { answers: ["y", "y"], columns: 400, env: { NO_COLOR: "1" } });
  }

  /** Writes a file into the folder. @returns Its path. */
  async write(name: string, content: string): Promise<string> {
    await Deno.writeTextFile(`${this.folder}/${name}`, content);
    return `${this.folder}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.redis[Symbol.asyncDispose]();
    await this.postgres[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }

  #use(url: string): void {
    this.url = url;
    this.env = {
      CONFIG: NO_SETTINGS,
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: String(this.redis.port),
      POSTGRES_URL: url,
    };
  }
}

/** What RESTORE takes. */
type StoredRecord = readonly [key: string, ttlMs: number, value: Buffer];

/** All records of a Redis. */
async function storedRecords(client: Redis): Promise<readonly StoredRecord[]> {
  const keys = await client.keys("*");
  return await Promise.all(
    keys.map(async (key) =>
      [key, Math.max(0, await client.pttl(key)), (await client.dumpBuffer(key))!] as const
    ),
  );
}

/** Makes sure that an output gives the advice. @returns What stands in its gaps; for a next command, that command whole. */
export function told(advice: string, { stdout, stderr }: CliResult): readonly string[] {
  const said = `${stdout} ${stderr}`.replace(/\\n/g, " ").replace(/\s+/g, " ");
  // What follows the advice of an error is no part of it.
  const text = said.replace(/ docs: docs\/errors\.md#\w+/g, "\n");
  const found = patternOf(advice).exec(text);
  if (found === null) throw new Error(`"${advice}" is not in: ${stdout}${stderr}`);
  return found.slice(1);
}

function patternOf(advice: string): RegExp {
  const escape = (part: string) => part.replace(/\s+/g, " ").replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const gaps = (part: string, gap: string) => part.split("{}").map(escape).join(gap);
  if (!advice.startsWith("Next: ")) return new RegExp(gaps(advice, "(.*?)").replace(/\(\.\*\?\)$/, "(.+)"));
  const [command, why] = advice.slice("Next: ".length).split("  ") as [string, string | undefined];
  return new RegExp(
    `Next: ((?:${gaps(command, ".*?")})[^A-Z]*?)${why === undefined ? "(?= |$)" : ` ${gaps(why, ".*?")}`}`,
  );
}
