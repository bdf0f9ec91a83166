/**
 * How the engine speaks to Redis, alone or in a cluster: commands by key, many at once, and scripts.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Redis } from "ioredis";
import { StoreUnreachableError } from "../errors.ts";
import { settleAll } from "../settle_all.ts";
import type { Fence } from "../lock/lock.ts";
import { type Binary, toArgument, toBuffer } from "./binary.ts";
import type { Ioredis } from "./client.ts";
import { isAsunder, isUnavailable, replyCode } from "./errors.ts";
import { keySlot } from "./hash_slot.ts";
import type { Script } from "./scripts/script.ts";
import { WalkGroup } from "./walk/walk_group.ts";

/** What a command takes. */
export type Argument = string | Buffer;

/** How a script is run: by its hash, and by its text where the server does not know that yet. */
type Runner = readonly [byHash: string, byText: string];

const RUN: Runner = ["EVALSHA", "EVAL"];
/** The server makes sure that nothing is written. Unknown before Redis 7.0. */
const RUN_READ_ONLY: Runner = ["EVALSHA_RO", "EVAL_RO"];

/** A script answered that the fencing token no longer holds this often in a row, though the lock said that it does. */
const FENCE_ATTEMPTS = 20;

/** A Redis server or cluster. */
export class RedisStore {
  readonly client: Ioredis;
  readonly clustered: boolean;
  /** Those who walk over it together. */
  readonly walks: WalkGroup;
  readonly #seen: { openSlots: ReadonlySet<number> };
  /** Ways to run a script that reads, that were not refused yet. */
  #readers: readonly Runner[];

  /** @param peer Another run's store over the same client: they walk together. */
  constructor(client: Ioredis, peer?: RedisStore) {
    this.client = client;
    this.clustered = client.isCluster;
    this.walks = peer?.walks ?? new WalkGroup();
    this.#seen = peer === undefined ? { openSlots: new Set() } : peer.#seen;
    this.#readers = [RUN_READ_ONLY, RUN];
  }

  /** Slots of a cluster that were on the move when it was last looked at. */
  get openSlots(): ReadonlySet<number> {
    return this.#seen.openSlots;
  }

  set openSlots(slots: ReadonlySet<number>) {
    this.#seen.openSlots = slots;
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

  /** Runs a script. All keys are on one node; see {@linkcode RedisStore.onEachNode}. */
  evaluate(script: Script, keys: readonly Binary[], args: readonly Argument[]): Promise<unknown> {
    return this.#run(RUN, script, keys, args);
  }

  /**
   * Runs a script that only reads: many records with one command.
   *
   * @returns The script's answer, or null where this server or this user has no scripts: then each record takes a command
   * of its own.
   */
  async evaluateReading(
    script: Script,
    keys: readonly Binary[],
    args: readonly Argument[],
  ): Promise<Buffer | null> {
    while (this.#readers.length > 0) {
      const [runner] = this.#readers as [Runner];
      try {
        return await this.#run(runner, script, keys, args) as Buffer;
      } catch (error) {
        if (isElsewhere(error) || !isUnavailable(error)) throw error;
        this.#readers = this.#readers.filter((other) => other !== runner);
      }
    }
    return null;
  }

  async #run(
    [byHash, byText]: Runner,
    { sha, source }: Script,
    keys: readonly Binary[],
    args: readonly Argument[],
  ) {
    const rest = this.scriptArguments(keys, args);
    try {
      return await this.call(byHash, [sha, ...rest]);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw error;
      return await this.call(byText, [source, ...rest]);
    }
  }

  /** What follows a script: only so many of the keys are named as such as lead to the node. */
  scriptArguments(keys: readonly Binary[], args: readonly Argument[]): Argument[] {
    const named = keys.slice(0, this.clustered ? 1 : 2).map(toArgument);
    return [String(named.length), ...named, ...args, toBuffer(JSON.stringify(keys))];
  }

  /**
   * Runs a script that writes, under the fence. All keys are on one node.
   *
   * @returns The script's answer as text.
   * @throws {LockLostError} When the lock is no longer this run's.
   */
  async write(
    script: Script,
    keys: readonly Binary[],
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
      if (attempt === FENCE_ATTEMPTS) {
        throw new StoreUnreachableError(
          "redis",
          "Cannot write: a master of Redis does not know that the lock is held",
          {
            hint: "Run the same command again: what is done stays done",
          },
        );
      }
      await fence!.renew();
    }
  }

  async #fenced(script: Script, keys: readonly Binary[], args: readonly Argument[], fence: Fence) {
    const names = await fence.keys();
    if (!this.clustered) {
      return await this.evaluate(script, [names[0]!, ...keys], [fence.token, "0", ...args]);
    }
    const begin = [fence.token, String(names.length), ...names.map(toArgument)];
    return await this.evaluate(script, keys, [...begin, ...args]);
  }

  /**
   * Does something to the keys of each node of a cluster at once; outside of one, to all of them. What turns out to be on another
   * node, since slots move, is done once more, key by key: then a client is told where each of them is.
   *
   * @param work Given indexes. It may be done twice.
   */
  async onEachNode(
    keys: readonly Binary[],
    work: (group: readonly number[]) => Promise<void>,
  ): Promise<void> {
    await settleAll(
      this.byNode(keys).map(async (group) => {
        try {
          await work(group);
        } catch (error) {
          if (group.length === 1 || !isElsewhere(error)) throw error;
          await settleAll(group.map((i) => work([i])));
        }
      }),
    );
  }

  /** Splits keys by the node that has them. Those of a slot on the move are split one by one. @returns Indexes. */
  byNode(keys: readonly Binary[]): number[][] {
    if (!this.clustered) return keys.length === 0 ? [] : [keys.map((_, i) => i)];
    const { slots } = this.client as unknown as { readonly slots?: readonly (readonly string[])[] };
    const groups = new Map<unknown, number[]>();
    keys.forEach((key, i) => {
      const slot = keySlot(key);
      const place = this.openSlots.has(slot) ? -1 - i : slots?.[slot]?.[0] ?? slot;
      const group = groups.get(place);
      if (group === undefined) groups.set(place, [i]);
      else group.push(i);
    });
    return [...groups.values()];
  }
}

/** A script met a key that is on another node by now, or a server that wants each key to be named as such. */
function isElsewhere(error: unknown): boolean {
  return isAsunder(error) || (error instanceof Error && /undeclared key|CROSSSLOT/.test(error.message));
}

/** A command that found a record of another type is an answer; every other error ends the batch. */
function survivable(error: unknown): Error {
  if (error instanceof Error && replyCode(error) === "WRONGTYPE") return error;
  throw error;
}
