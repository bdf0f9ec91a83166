/**
 * How the engine speaks to Redis, alone or in a cluster: commands by key, scripts, and reads of many records at once.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import type { Fence } from "../lock.ts";
import { type Binary, fromBytes, toArgument } from "./binary.ts";
import type { Ioredis } from "./client.ts";
import { replyCode } from "./connection_error.ts";
import { keySlot } from "./key_slot.ts";
import { READ_FIELDS, type Script } from "./scripts.ts";

/** What a command takes. */
export type Argument = string | Buffer;

/** Fields of many records: `values[i * width + j]` is field `j` of record `i`, null where there is none. */
export interface FieldTable {
  readonly width: number;
  readonly values: (Binary | null)[];
  /** False for a key that holds something else than a hash. */
  readonly isHash: boolean[];
}

/** A script answered that the fencing token no longer holds this often in a row, though the lock said that it does. */
const FENCE_ATTEMPTS = 20;

/** A Redis server or cluster. */
export class RedisStore {
  readonly client: Ioredis;
  readonly clustered: boolean;

  constructor(client: Ioredis) {
    this.client = client;
    this.clustered = client.isCluster;
  }

  /** Sends a command to the node that its key belongs to. Replies are bytes. */
  call(command: string, args: Argument[]): Promise<unknown> {
    return this.client.callBuffer(command, args);
  }

  /** Sends many commands at once. @returns For each its reply or its error. */
  async callMany(commands: readonly (readonly [string, ...Argument[]])[]): Promise<unknown[]> {
    if (commands.length === 0) return [];
    if (this.clustered) {
      return await Promise.all(
        commands.map(([name, ...args]) => this.call(name, args).catch((error: unknown) => survivable(error))),
      );
    }
    const pipeline = (this.client as Redis).pipeline() as unknown as {
      callBuffer(command: string, args: Argument[]): void;
      exec(): Promise<[Error | null, unknown][]>;
    };
    for (const [name, ...args] of commands) pipeline.callBuffer(name, args);
    return (await pipeline.exec()).map(([error, reply]) => error === null ? reply : survivable(error));
  }

  /** Runs a script, which the server may not know yet. All keys are on one node. */
  async evaluate(script: Script, keys: readonly Argument[], args: readonly Argument[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.call("EVALSHA", [script.sha, ...rest]);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw error;
      return await this.call("EVAL", [script.source, ...rest]);
    }
  }

  /**
   * Runs a script that writes, under the fence. All keys are of one slot.
   *
   * @returns The script's answer as text.
   * @throws {LockLostError} When the lock is no longer this run's.
   */
  async write(
    script: Script,
    keys: readonly Argument[],
    args: readonly Argument[],
    fence: Fence | undefined,
  ): Promise<string> {
    for (let attempt = 1;; attempt++) {
      const answer = String(
        fence === undefined
          ? await this.evaluate(script, keys, ["", "0", ...args])
          : await this.#fenced(script, keys, args, fence),
      );
      if (answer !== "F") return answer;
      if (attempt === FENCE_ATTEMPTS) throw new Error("The fence does not hold although the lock does");
      await fence!.renew();
    }
  }

  async #fenced(script: Script, keys: readonly Argument[], args: readonly Argument[], fence: Fence) {
    const fenceKeys = (await fence.keys()).map((key) => toArgument(fromBytes(key)));
    return this.clustered
      ? await this.evaluate(script, keys, [fence.token, String(fenceKeys.length), ...fenceKeys, ...args])
      : await this.evaluate(script, [fenceKeys[0]!, ...keys], [fence.token, "0", ...args]);
  }

  /**
   * Reads fields of many records.
   *
   * @param scripts False where only read commands are allowed: then each record is a command of its own.
   */
  async readFields(
    keys: readonly Binary[],
    fields: readonly string[],
    { scripts }: { readonly scripts: boolean },
  ): Promise<FieldTable> {
    if (!scripts || this.clustered) return await this.#readPlainly(keys, fields);
    const reply = await this.evaluate(READ_FIELDS, keys.map(toArgument), fields) as [Buffer, Buffer];
    return unpack(reply, keys.length, fields.length);
  }

  async #readPlainly(keys: readonly Binary[], fields: readonly string[]): Promise<FieldTable> {
    const table: FieldTable = { width: fields.length, values: [], isHash: [] };
    const replies = await this.callMany(keys.map((key) => ["HMGET", toArgument(key), ...fields] as const));
    for (const reply of replies) {
      const known = Array.isArray(reply);
      table.isHash.push(known);
      for (let j = 0; j < fields.length; j++) {
        const value = known ? reply[j] as Uint8Array | null : null;
        table.values.push(value === null ? null : fromBytes(value));
      }
    }
    return table;
  }

  /** Splits keys by hash slot, as a cluster wants them; outside of one they stay together. @returns Indexes. */
  bySlot(keys: readonly Binary[]): number[][] {
    if (!this.clustered) return keys.length === 0 ? [] : [keys.map((_, i) => i)];
    const groups = new Map<number, number[]>();
    keys.forEach((key, i) => {
      const slot = keySlot(key);
      const group = groups.get(slot);
      if (group === undefined) groups.set(slot, [i]);
      else group.push(i);
    });
    return [...groups.values()];
  }
}

/** A command that found a record of another type is an answer; every other error ends the batch. */
function survivable(error: unknown): Error {
  if (error instanceof Error && replyCode(error) === "WRONGTYPE") return error;
  throw error;
}

/** Cuts what the script packed. */
function unpack([lengths, data]: [Buffer, Buffer], count: number, width: number): FieldTable {
  const table: FieldTable = { width, values: new Array(count * width).fill(null), isHash: new Array(count) };
  const sizes = fromBytes(lengths).split(",");
  const text = fromBytes(data);
  let [at, from] = [0, 0];
  for (let i = 0; i < count; i++) {
    const isHash = sizes[at] !== "x";
    table.isHash[i] = isHash;
    if (!isHash) {
      at++;
      continue;
    }
    for (let j = 0; j < width; j++) {
      const size = sizes[at++]!;
      if (size === "-") continue;
      const until = from + Number(size);
      table.values[i * width + j] = text.slice(from, until);
      from = until;
    }
  }
  return table;
}
