/**
 * Fills a Redis with an old Outpost's tenants and destinations, as many as wanted: written as one stream of commands, so
 * that the server sets the pace.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** What to create. */
export interface LegacyData {
  readonly tenants: number;
  readonly destinationsPerTenant: number;
  /** The current form of keys with old times and without `entity`, as 001 leaves them, instead of the legacy form. */
  readonly hashTags?: boolean;
  /** What current keys begin with, for example `dp_001:`. */
  readonly prefix?: string;
  /** Share of tenants that are deleted, with a TTL. @default 0.02 */
  readonly deletedShare?: number;
  /** What tenant IDs begin with. @default "tenant_" */
  readonly idPrefix?: string;
}

/** How much was created. */
export interface LegacyCounts {
  readonly tenants: number;
  readonly deletedTenants: number;
  readonly destinations: number;
  readonly summaries: number;
}

const CHUNK = 256 * 1024;
const TOPICS = ['["*"]', '["user.created","user.deleted"]', '["order.paid"]'];

/** Where the server is. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Seeds a standalone server that needs no password.
 *
 * @returns What was created. The same arguments always create the same data.
 */
export async function seedLegacyRedis(server: RedisAddress, data: LegacyData): Promise<LegacyCounts> {
  await using stream = await CommandStream.open(server);
  const counts = { tenants: 0, deletedTenants: 0, destinations: 0, summaries: 0 };
  const deletedEvery = Math.round(1 / Math.max(data.deletedShare ?? 0.02, 1e-9));
  for (let i = 0; i < data.tenants; i++) {
    const id = `${data.idPrefix ?? "tenant_"}${String(i).padStart(7, "0")}`;
    const name = data.hashTags === true ? `${data.prefix ?? ""}tenant:{${id}}` : `tenant:${id}`;
    const own = data.hashTags === true ? `${name}:tenant` : name;
    if (i % deletedEvery === deletedEvery - 1) {
      stream.send("HSET", own, "deleted_at", time(i, "Z"));
      stream.send("PEXPIRE", own, String(7 * 86_400_000));
      counts.deletedTenants++;
      continue;
    }
    stream.send("HSET", own, "id", id, "created_at", time(i, "+07:00"), "updated_at", time(i + 60, "Z"));
    counts.tenants++;
    const summary: string[] = [];
    for (let d = 0; d < data.destinationsPerTenant; d++) {
      const destination = `des_${i}_${d}`;
      stream.send(
        "HSET",
        `${name}:destination:${destination}`,
        ...destinationFields(destination, i * 10 + d),
      );
      const topics = TOPICS[d % 3]!;
      summary.push(
        destination,
        `{"id":"${destination}","type":"webhook","topics":${topics},"disabled":false}`,
      );
      counts.destinations++;
    }
    if (summary.length > 0) {
      stream.send("HSET", `${name}:destinations`, ...summary);
      counts.summaries++;
    }
    if (stream.full) await stream.flush();
  }
  return counts;
}

/** The fields of a legacy destination. Credentials are bytes that are not UTF-8. */
export function destinationFields(id: string, seed: number): (string | Buffer)[] {
  const credentials = Buffer.alloc(48);
  for (let i = 0; i < credentials.length; i++) credentials[i] = (seed * 31 + i * 97 + 128) & 0xff;
  return [
    ...["id", id, "type", "webhook", "topics", TOPICS[seed % 3]!],
    ...["config", `{"url":"https://example.com/hooks/${id}"}`],
    ...["credentials", credentials],
    ...["created_at", time(seed, "Z"), "updated_at", time(seed + 3600, "-03:30")],
  ];
}

function time(seconds: number, zone: string): string {
  const fraction = String((seconds * 7919) % 1_000_000_000).padStart(9, "0");
  return new Date(1_700_000_000_000 + seconds * 1000).toISOString().replace(/\.\d+Z$/, `.${fraction}${zone}`);
}

/** A raw connection: commands go out in large writes, and the replies are only counted. */
class CommandStream implements AsyncDisposable {
  readonly #connection: Deno.Conn;
  readonly #replies: Promise<void>;
  #parts: (string | Buffer)[] = [];
  #bytes = 0;
  #sent = 0;
  #failure: string | null = null;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#replies = this.#read();
  }

  static async open({ host, port }: RedisAddress): Promise<CommandStream> {
    return new CommandStream(await Deno.connect({ hostname: host, port }));
  }

  get full(): boolean {
    return this.#bytes >= CHUNK;
  }

  send(...args: (string | Buffer)[]): void {
    this.#sent++;
    let head = `*${args.length}\r\n`;
    for (const arg of args) {
      head += `$${Buffer.byteLength(arg)}\r\n`;
      if (typeof arg === "string") head += `${arg}\r\n`;
      else {
        this.#parts.push(head, arg);
        this.#bytes += head.length + arg.length;
        head = "\r\n";
      }
    }
    this.#parts.push(head);
    this.#bytes += head.length;
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(
      this.#parts.map((part) => typeof part === "string" ? Buffer.from(part) : part),
    );
    this.#parts = [];
    this.#bytes = 0;
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Every reply here is one line: a number or an error. The last command asks the server to hang up. */
  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    let start = true;
    while (true) {
      const count = await this.#connection.read(buffer);
      if (count === null) return;
      for (let i = 0; i < count; i++) {
        if (start && buffer[i] === 0x2d) {
          this.#failure ??= Buffer.from(buffer.subarray(i, count)).toString("latin1");
        }
        start = buffer[i] === 0x0a;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#sent > 0) {
      this.send("QUIT");
      await this.flush();
      await this.#replies;
    }
    this.#connection.close();
    if (this.#failure !== null) throw new Error(`Redis refused the data: ${this.#failure}`);
  }
}
