/**
 * The walk over the keyspace that every Redis migration uses: SCAN on every master, in bounded batches, several of them
 * in flight, so that scanning, reading, converting and writing overlap and memory does not grow with the number of keys.
 *
 * What changes underneath makes it repeat work and never skip any:
 * 1. A SCAN cursor is good for one server process. When a connection was lost and another process answers, the walk over
 *    that node begins anew.
 * 2. In a cluster, keys move between masters. A pass counts only if the slots were the same before and after it and none
 *    was on the move; else there is another pass.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { RefusedError, StoreUnreachableError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { settleAll } from "../../settle_all.ts";
import { type Binary, fromBytes, toArgument } from "../binary.ts";
import { replyCode, toStoreError } from "../errors.ts";
import { BatchSize, RateLimit, ReplyClock, throwIfAborted } from "./pacing.ts";
import { END, type OnStep, type Position, positionAt, SharedPosition } from "./position.ts";
import type { RedisStore } from "../store.ts";
import { type MasterNode, processOf, readTopology, watchConnection } from "../topology.ts";

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
  readonly maxRate?: number | undefined;
  readonly batchSize?: number | undefined;
  /** Where an interrupted walk stood. It goes on from there, if the cursors are still good. */
  readonly from?: Position | undefined;
  /**
   * Handles a batch of keys. A key may come more than once. The size of batches adapts to what is measured with `size`.
   */
  readonly visit: (keys: readonly Binary[], size: BatchSize) => Promise<void>;
  /** Told, after each batch, of the position and the share of the walk that is done, 0 to 1. */
  readonly onStep?: OnStep | undefined;
}

/**
 * Visits every key that matches and that exists from beginning to end of the walk, at least once.
 *
 * @throws {InterruptedError} When the signal fired. The batches in hand were finished.
 */
export async function walk(store: RedisStore, options: WalkOptions): Promise<void> {
  let from = options.from;
  let outcome: PassOutcome = "moved";
  for (let pass = 1; pass <= PASSES; pass++) {
    throwIfAborted(options.signal);
    outcome = await tryPass(store, { ...options, from });
    if (outcome === "complete") return;
    from = undefined;
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

async function tryPass(store: RedisStore, options: WalkOptions): Promise<PassOutcome> {
  try {
    const before = await readTopology(store);
    const position = new SharedPosition(before, options.from, options.onStep);
    const rate = new RateLimit(options.maxRate, options.signal);
    await settleAll(before.nodes.map((node) => new NodeWalk(node, options, position, rate).run()));
    throwIfAborted(options.signal);
    if (!store.clustered) return "complete";
    const after = await readTopology(store);
    return !before.moving && !after.moving && before.slots === after.slots ? "complete" : "moved";
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

/** A page whose keys are being visited. */
interface Stretch {
  readonly next: string;
  pending: number;
}

/** The walk over one node. */
class NodeWalk {
  readonly #node: MasterNode;
  readonly #options: WalkOptions;
  readonly #position: SharedPosition;
  readonly #size: BatchSize;
  readonly #scanSize: BatchSize;
  readonly #rate: RateLimit;
  readonly #flying = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(node: MasterNode, options: WalkOptions, position: SharedPosition, rate: RateLimit) {
    this.#node = node;
    this.#options = options;
    this.#position = position;
    const clock = new ReplyClock();
    this.#scanSize = new BatchSize(clock, "scan");
    this.#size = new BatchSize(clock, "records", options.batchSize);
    this.#rate = rate;
  }

  async run(): Promise<void> {
    const saved = this.#position.savedOf(this.#node);
    if (saved?.cursor === END) return;
    let done: boolean;
    if (saved === undefined) done = await this.#scan("0");
    else if (saved.again === true) done = await this.#scan(saved.cursor, { again: true });
    else {
      done = await this.#scan(saved.cursor);
      // A scan that was stopped is no reason to look elsewhere: the rest of it is still to come.
      if (done && !this.#options.signal.aborted) done = await this.#lookAgain();
    }
    while (!done && !this.#options.signal.aborted) done = await this.#scan("0");
  }

  /**
   * What an interrupted run had passed may have got new records in the pause after it. All is looked at once more, which is
   * continued too when it is cut off: so that runs that are killed again and again come to an end. Where the first part
   * ended cannot be told from the cursors: each server has an order of its own for them.
   */
  async #lookAgain(): Promise<boolean> {
    this.#position.update(this.#node, { cursor: "0", again: true }, 0);
    return await this.#scan("0", { again: true });
  }

  /** @returns False when the server's process changed: then the cursors were worth nothing. */
  async #scan(start: string, { again } = { again: false }): Promise<boolean> {
    const { client, process: known } = this.#node;
    using connection = watchConnection(client);
    const process = await processOf(client);
    if (start !== "0" && process !== known) return false;
    const isSame = async () => process !== null && await processOf(client) === process;
    const stretches: Stretch[] = [];
    let looked = 0;
    const total = Math.max(1, Number(await client.call("DBSIZE")));
    /** How often the connection had been closed when it was last known to lead to the process. */
    let trusted = 0;
    // One page ahead of the visits, for the server to have work while this program converts.
    let ahead: Sent | null = this.#send(start, connection.closed);
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
        const stretch: Stretch = { next, pending: 1 };
        stretches.push(stretch);
        await this.#visitAll(keys, stretch, () => {
          const reached = positionAfter(stretches, again);
          this.#position.update(this.#node, process === known ? reached : null, Math.min(1, looked / total));
        });
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
    const reply = await this.#scanSize.measure("scan", count, () =>
      this.#node.client.callBuffer("SCAN", [
        cursor,
        ...["MATCH", toArgument(this.#options.pattern)],
        ...["COUNT", String(count)],
      ])) as [Buffer, Buffer[]];
    return { next: fromBytes(reply[0]), keys: reply[1].map(fromBytes), count };
  }

  /** Starts the visits of a stretch; waits only while too many are in flight. */
  async #visitAll(keys: readonly Binary[], stretch: Stretch, onDone: () => void): Promise<void> {
    const finish = () => {
      if (--stretch.pending === 0) onDone();
    };
    const most = Math.max(1, Math.floor((this.#options.maxRate ?? Infinity) / BATCHES_PER_SECOND));
    for (let at = 0; at < keys.length;) {
      const batch = keys.slice(at, at + Math.min(this.#size.current, most));
      at += batch.length;
      await this.#rate.take(batch.length);
      while (this.#flying.size >= DEPTH) await Promise.race(this.#flying);
      if (this.#options.signal.aborted || this.#failure !== null) return; // The stretch stays undone.
      stretch.pending++;
      const visit = this.#options.visit(batch, this.#size).then(finish, (error: unknown) => {
        this.#failure ??= { error };
      }).finally(() => this.#flying.delete(visit));
      this.#flying.add(visit);
    }
    finish();
  }
}

/** Takes the stretches at the front that are done. @returns Where that leads, or null when the first is not done yet. */
function positionAfter(stretches: Stretch[], again: boolean): ReturnType<typeof positionAt> {
  let reached: string | null = null;
  while (stretches[0]?.pending === 0) reached = stretches.shift()!.next;
  return reached === null ? null : positionAt(reached, again);
}
