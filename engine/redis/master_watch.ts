/**
 * Whether the masters still hold what a run wrote to them. A server confirms a write before its replicas have it, so a failover
 * may take back what was confirmed; a server that restarts may have lost what it had not saved; and one that evicts throws
 * away what it was given. None of that is told to whoever wrote: it is looked for here, before a run calls itself done.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { StoreUnreachableError } from "../errors.ts";
import { pause } from "../pause.ts";
import { askedTogether } from "./asked_together.ts";
import { replyCode, toStoreError } from "./errors.ts";
import { readServerInfo } from "./server_info.ts";
import type { RedisStore } from "./store.ts";
import type { EvictedKeys } from "./stored_state.ts";
import { type MasterNode, readTopology, type Topology } from "./topology.ts";
import { throwIfAborted } from "./walk/pacing.ts";

/** A replica that gets no further for so long is not waited for, in milliseconds. */
const PATIENCE_MS = 10_000;
/** How long a master of a cluster may be away until its successor is there, and the pause between two looks, in milliseconds. */
const REPLACEMENT_MS = 30_000;
const REPLACEMENT_PAUSE_MS = 250;
/** How long a server is asked to wait for its replicas in one go, and the pause until it is asked again, in milliseconds. */
const WAIT_MS = 500;
const PAUSE_MS = 20;

/** What became of the writes. */
export type Fate =
  /** They are where they were written, and the replicas that there are have them too. */
  | { readonly state: "kept" }
  /** Another process answers for a master: all is to be looked at again. */
  | { readonly state: "changed" }
  /** They are lost, or would be after a failover. */
  | { readonly state: "doubtful"; readonly why: string };

/** The masters as they were when a run began. */
export class MasterWatch {
  readonly #store: RedisStore;
  readonly #before: Topology;
  /** What was evicted when it began, or when an earlier watch did that nobody heard of. */
  readonly evicted: EvictedKeys;

  private constructor(store: RedisStore, before: Topology, earlier: EvictedKeys) {
    this.#store = store;
    this.#before = before;
    const now = before.nodes.flatMap(({ info }) =>
      info === null ? [] : [[info.process, info.evicted] as const]
    );
    this.evicted = new Map([...now, ...earlier]);
  }

  /**
   * Begins to watch. A master of a cluster that is not there is waited for a while: it is about to be replaced.
   *
   * @param earlier What had been evicted when a watch began that did not come to its end.
   * @throws {StoreUnreachableError} When it is not.
   */
  static async begin(
    store: RedisStore,
    signal: AbortSignal,
    earlier: EvictedKeys = new Map(),
  ): Promise<MasterWatch> {
    const deadline = performance.now() + REPLACEMENT_MS;
    while (true) {
      const late = !store.clustered || performance.now() > deadline;
      try {
        const found = await readTopology(store);
        if (late || (found.covered && areMasters(found))) return new MasterWatch(store, found, earlier);
      } catch (error) {
        if (late || !isMasterGone(store, error)) throw error;
      }
      throwIfAborted(signal);
      await pause(REPLACEMENT_PAUSE_MS, signal);
    }
  }

  /** The processes of the masters; empty where one does not tell, so that no write can be bound to them. */
  get processes(): readonly string[] {
    const told = this.#before.nodes.flatMap(({ info }) => info?.process ?? []);
    return told.length === this.#before.nodes.length ? told : [];
  }

  /** Tells whether the masters are the same processes still, with the same histories. */
  async isSame(): Promise<boolean> {
    try {
      return sameMasters(this.#before, await readTopology(this.#store));
    } catch (error) {
      if (!isMasterGone(this.#store, error)) throw error;
      return false;
    }
  }

  /**
   * Tells whether everything that was written up to now is kept, and waits until the replicas have confirmed it.
   *
   * @throws {InterruptedError} When the signal fired.
   */
  async prove(signal: AbortSignal): Promise<Fate> {
    try {
      return await this.#prove(signal);
    } catch (error) {
      if (!isMasterGone(this.#store, error)) throw error;
      return { state: "changed" };
    }
  }

  async #prove(signal: AbortSignal): Promise<Fate> {
    const now = await readTopology(this.#store);
    if (!sameMasters(this.#before, now)) return { state: "changed" };
    const evicted = evictedSince(this.evicted, now);
    if (evicted > 0) {
      const keys = evicted === 1 ? "a key" : `${evicted} keys`;
      return {
        state: "doubtful",
        why: `Redis evicted ${keys} for want of memory meanwhile: records may be lost`,
      };
    }
    const doubts = await Promise.all(now.nodes.map((node) => unconfirmed(node, signal)));
    const why = doubts.find((doubt) => doubt !== null);
    if (why !== undefined) return { state: "doubtful", why: why! };
    return { state: await this.isSame() ? "kept" : "changed" };
  }
}

/** True for a cluster in which a master does not answer: another process will take its place. */
function isMasterGone(store: RedisStore, error: unknown): boolean {
  return store.clustered && toStoreError(error, "Cannot reach a master") instanceof StoreUnreachableError;
}

/** A client learns late that a master was demoted; and it takes a while until that has the history of its successor. */
function sameMasters(before: Topology, now: Topology): boolean {
  const told = ({ nodes }: Topology) => nodes.map(({ name, info }) => info?.process ?? name).sort().join();
  return told(before) === told(now) && areMasters(now);
}

function areMasters({ nodes }: Topology): boolean {
  return nodes.every(({ info }) => info?.isMaster ?? true);
}

/** A counter that went back was set to zero meanwhile. */
function evictedSince(before: EvictedKeys, now: Topology): number {
  return now.nodes.reduce((sum, { info }) => {
    const [was, is] = [before.get(info?.process ?? "") ?? 0, info?.evicted ?? 0];
    return sum + (is < was ? is : is - was);
  }, 0);
}

/**
 * Waits until the replicas of a master have confirmed what it has at this moment. One that is gone is not waited for, and
 * WAIT, which a user may lack, only makes them answer at once.
 *
 * @returns Which replica does not confirm, or null.
 */
async function unconfirmed({ name, client, info }: MasterNode, signal: AbortSignal): Promise<string | null> {
  if (info === null) return null;
  let [least, since] = [-1, performance.now()];
  while (true) {
    const now = await readServerInfo(client);
    const behind = now?.replicas.filter(({ offset }) => offset < info.offset) ?? [];
    if (behind.length === 0) return null;
    throwIfAborted(signal);
    const slowest = behind.reduce((one, other) => other.offset < one.offset ? other : one);
    if (slowest.offset > least) [least, since] = [slowest.offset, performance.now()];
    if (performance.now() - since > PATIENCE_MS) {
      return `The replica ${slowest.name} of ${name} does not confirm what was written: after a failover it would be lost`;
    }
    await hurryReplicas(client);
    await pause(PAUSE_MS, signal);
  }
}

/** Nobody else is answered over the connection meanwhile. */
const hurryReplicas = askedTogether(async (client: Redis): Promise<void> => {
  try {
    const now = await readServerInfo(client);
    await client.call("WAIT", now?.replicas.length ?? 0, WAIT_MS);
  } catch (error) {
    if (replyCode(error) === null) throw error;
  }
});
