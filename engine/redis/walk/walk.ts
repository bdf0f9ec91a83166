/**
 * The walk over the keyspace that every Redis migration uses: SCAN on every master, in bounded batches, several of them
 * in flight, so that scanning, reading, converting and writing overlap and memory does not grow with the number of keys.
 *
 * What changes underneath makes it repeat work and never skip any:
 * 1. A SCAN cursor is good for one server process. When a connection was lost and another process answers, the walk over
 *    that node begins anew.
 * 2. In a cluster, keys move between masters. A pass counts only if the slots were the same before and after it and none
 *    was on the move; else there is another pass. Where nothing moves any more and a slot is still half here and half there, any
 *    number of passes may miss records: then the first one is the last.
 *
 * @module
 */

import { RefusedError, StoreUnreachableError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { settleAll } from "../../settle_all.ts";
import type { Binary } from "../binary.ts";
import { OpenSlotsError, replyCode, toStoreError } from "../errors.ts";
import { BatchSize, ReplyClock, throwIfAborted } from "./pacing.ts";
import { shareOfCursor } from "./share_of_cursor.ts";
import { RateLimit } from "../../rate_limit.ts";
import { scanPage } from "../scan.ts";
import type { RedisStore } from "../store.ts";
import { type MasterNode, processOf, readTopology, waitForSlots, watchConnection } from "../topology.ts";

/** Batches in flight on one node: enough to keep the server busy while this program converts. */
const DEPTH = 4;
/** Passes that a cluster on the move is given, and the pauses between them, each longer than the one before. */
const PASSES = 40;
const PASS_PAUSE_MS = 250;
const LONGEST_PASS_PAUSE_MS = 5000;
/** With a rate given, there are at least so many batches a second, rather than one large one and a pause. */
const BATCHES_PER_SECOND = 4;

/** What a walk visits and how. */
export interface WalkOptions {
  /** SCAN pattern of the keys. */
  readonly pattern: Binary;
  readonly signal: AbortSignal;
  /** Records a second at most, on all nodes together. */
  readonly maxRate?: number | undefined;
  readonly batchSize?: number | undefined;
  /**
   * Handles a batch of keys. A key may come more than once. The size of batches adapts to what is measured with `size`.
   */
  readonly visit: (keys: readonly Binary[], size: BatchSize) => Promise<void>;
  /** Told, after each batch, of the share of the walk that is done, 0 to 1. */
  readonly onStep?: ((share: number) => void) | undefined;
  /** How many masters a cluster has; set by the walk itself. */
  readonly masters?: number;
}

/**
 * Visits every key that matches and that exists from beginning to end of the walk, at least once.
 *
 * @throws {InterruptedError} When the signal fired. The batches in hand were finished.
 * @throws {OpenSlotsError} When a slot was left half moved. What could be visited was.
 */
export async function walk(store: RedisStore, options: WalkOptions): Promise<void> {
  const rate = new RateLimit(options.maxRate, options.signal);
  let outcome: PassOutcome = "moved";
  for (let pass = 1; pass <= PASSES; pass++) {
    throwIfAborted(options.signal);
    outcome = await tryPass(store, options, rate);
    if (outcome === "complete") return;
    const stuck = outcome === "moved" ? await waitForSlots(store, options.signal) : [];
    if (stuck.length > 0) throw new OpenSlotsError(stuck);
    await pause(Math.min(pass * PASS_PAUSE_MS, LONGEST_PASS_PAUSE_MS), options.signal);
  }
  throwIfAborted(options.signal);
  if (outcome instanceof Error) throw outcome;
  throw new RefusedError("Cannot finish while the cluster's slots are on the move", {
    hint: "Run the same command again when the resharding is over: what is done stays done",
  });
}

/** `moved` when the topology changed, so that keys may have been missed; an error when a master was not there. */
type PassOutcome = "complete" | "moved" | StoreUnreachableError;

async function tryPass(store: RedisStore, options: WalkOptions, rate: RateLimit): Promise<PassOutcome> {
  try {
    const before = await readTopology(store);
    const shares = new Map<MasterNode, number>();
    const onShare = (node: MasterNode, share: number) => {
      shares.set(node, share);
      const sum = [...shares.values()].reduce((one, other) => one + other, 0);
      options.onStep?.(sum / before.nodes.length);
    };
    await settleAll(
      before.nodes.map((node) =>
        new NodeWalk(
          node,
          store.clustered ? { ...options, masters: before.nodes.length } : options,
          rate,
          onShare,
        ).run()
      ),
    );
    throwIfAborted(options.signal);
    if (!store.clustered) return "complete";
    const after = await readTopology(store);
    const still = [before, after].every(({ open, covered }) => open.length === 0 && covered);
    return still && before.slots === after.slots ? "complete" : "moved";
  } catch (error) {
    // A master that goes away is replaced after a while: the pass is repeated then.
    const failure = toStoreError(error, "Cannot walk over the keys");
    if (!store.clustered || !(failure instanceof StoreUnreachableError)) throw error;
    if (replyCode(error) === null && store.client.status === "end") throw error;
    return failure;
  }
}

/** A reply of SCAN. */
interface Page {
  readonly next: string;
  readonly keys: readonly Binary[];
  /** How many keys it was to look at. */
  readonly count: number;
}

/** A SCAN on its way. */
interface Sent {
  readonly cursor: string;
  /** How often the connection had been closed by then. */
  readonly closed: number;
  readonly page: Promise<Page>;
}

/** The walk over one node. */
class NodeWalk {
  readonly #node: MasterNode;
  readonly #options: WalkOptions;
  readonly #onShare: (node: MasterNode, share: number) => void;
  readonly #size: BatchSize;
  readonly #scanSize: BatchSize;
  readonly #rate: RateLimit;
  readonly #flying = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(
    node: MasterNode,
    options: WalkOptions,
    rate: RateLimit,
    onShare: (node: MasterNode, share: number) => void,
  ) {
    this.#node = node;
    this.#options = options;
    this.#onShare = onShare;
    const clock = new ReplyClock();
    this.#scanSize = new BatchSize(clock, "scan");
    this.#size = new BatchSize(clock, "records", options.batchSize, options.masters);
    this.#rate = rate;
  }

  async run(): Promise<void> {
    while (!await this.#scan() && !this.#options.signal.aborted);
  }

  /** @returns False when the server's process changed: then the cursors were worth nothing. */
  async #scan(): Promise<boolean> {
    const connection = watchConnection(this.#node.client);
    try {
      return await this.#scanOver(connection);
    } finally {
      connection[Symbol.dispose]();
    }
  }

  async #scanOver(connection: { readonly closed: number }): Promise<boolean> {
    const { client } = this.#node;
    const process = await processOf(client);
    const isSame = async () => process !== null && await processOf(client) === process;
    let looked = 0;
    const total = Math.max(1, Number(await client.call("DBSIZE")));
    const { masters } = this.#options;
    /** How often the connection had been closed when it was last known to lead to the process. */
    let trusted = 0;
    // One page ahead of the visits, for the server to have work while this program converts.
    let ahead: Sent | null = this.#send("0", connection.closed);
    try {
      while (ahead !== null && !this.#options.signal.aborted && this.#failure === null) {
        const { next, keys, count }: Page = await ahead.page;
        const closed = connection.closed;
        if (closed !== trusted || ahead.closed !== trusted) {
          // Another process may have answered, if only for a moment: what it said counts for nothing.
          if (!await isSame()) return false;
          if (connection.closed === closed) trusted = closed;
          ahead = this.#send(ahead.cursor, connection.closed);
          continue;
        }
        ahead = next === "0" ? null : this.#send(next, closed);
        looked += count;
        await this.#visitAll(keys);
        // A cursor of a cluster may be led by the number of its slot.
        const share = masters !== undefined
          ? Math.min(1, looked / total)
          : next === "0"
          ? 1
          : shareOfCursor(next);
        this.#onShare(this.#node, share);
      }
    } finally {
      while (this.#flying.size > 0) await Promise.allSettled([...this.#flying]);
    }
    if (this.#failure !== null) throw this.#failure.error;
    return connection.closed === 0 || await isSame();
  }

  /** Keys to ask for: about one batch. Where few keys match, more are passed over at a time. */
  #count(): number {
    const { batchSize } = this.#options;
    return batchSize ?? Math.max(this.#scanSize.current, this.#size.current);
  }

  /** Sends for a page, which may never be awaited: then nobody minds how that ended. */
  #send(cursor: string, closed: number): Sent {
    const page = this.#next(cursor);
    page.catch(() => {});
    return { cursor, closed, page };
  }

  async #next(cursor: string): Promise<Page> {
    const count = this.#count();
    const { pattern } = this.#options;
    const page = await this.#scanSize.measure(
      "scan",
      count,
      () => scanPage(this.#node.client, { cursor, pattern, count }),
    );
    return { ...page, count };
  }

  /** Starts the visits of a page; waits only while too many are in flight. */
  async #visitAll(keys: readonly Binary[]): Promise<void> {
    const most = Math.max(1, Math.floor((this.#options.maxRate ?? Infinity) / BATCHES_PER_SECOND));
    for (let at = 0; at < keys.length;) {
      const batch = keys.slice(at, at + Math.min(this.#size.current, most));
      at += batch.length;
      await this.#rate.take(batch.length);
      while (this.#flying.size >= DEPTH) await Promise.race(this.#flying);
      if (this.#options.signal.aborted || this.#failure !== null) return;
      const visit = this.#options.visit(batch, this.#size).catch((error: unknown) => {
        this.#failure ??= { error };
      }).finally(() => this.#flying.delete(visit));
      this.#flying.add(visit);
    }
  }
}
