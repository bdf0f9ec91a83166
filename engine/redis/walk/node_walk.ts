/**
 * The walk over one node: SCAN page by page, and the batches of each, several of them in flight.
 *
 * @module
 */

import { StoreUnreachableError } from "../../errors.ts";
import type { RateLimit } from "../../rate_limit.ts";
import { replyCode, toStoreError } from "../errors.ts";
import { type KeyPage, scanPage, shareOfCursor } from "../scan.ts";
import type { RedisStore } from "../store.ts";
import { type MasterNode, processOf, watchConnection } from "../topology.ts";
import { KeySorter } from "./key_sorter.ts";
import { BatchSize, ReplyClock } from "./pacing.ts";
import type { WalkOptions, WalkPart } from "./part.ts";

/**
 * What is in flight on one node keeps the server busy while this program converts. A server often answers in one go what waits on a
 * connection, and other clients wait for all of it: so many batches go in any case, and more of them while they have no more
 * records than that, as over a network that takes its time.
 */
const IN_FLIGHT = { batches: 3, records: 300 };
/** With a rate given, there are at least so many batches a second, rather than one large one and a pause. */
const BATCHES_PER_SECOND = 4;

/** What a walk does for all its parts. */
export interface Whole extends Pick<WalkOptions, "pattern" | "signal" | "batchSize"> {
  readonly parts: readonly WalkPart[];
  readonly maxRate: number;
  /** How many masters a cluster has; set by the walk itself. */
  readonly masters?: number;
}

/** A master that goes away is replaced after a while: the pass is repeated then. @returns Null for any other failure. */
export function passingFailure(store: RedisStore, error: unknown): StoreUnreachableError | null {
  const failure = toStoreError(error, "Cannot walk over the keys");
  if (!store.clustered || !(failure instanceof StoreUnreachableError)) return null;
  return replyCode(error) === null && store.client.status === "end" ? null : failure;
}

/** A reply of SCAN. */
interface Page extends KeyPage {
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
export class NodeWalk {
  readonly #store: RedisStore;
  readonly #node: MasterNode;
  readonly #options: Whole;
  readonly #onShare: (node: MasterNode, share: number) => void;
  readonly #size: BatchSize;
  readonly #scanSize: BatchSize;
  readonly #rate: RateLimit;
  readonly #flying = new Set<Promise<void>>();
  #records = 0;
  #failure: { readonly error: unknown } | null = null;

  constructor(
    store: RedisStore,
    node: MasterNode,
    options: Whole,
    rate: RateLimit,
    onShare: (node: MasterNode, share: number) => void,
  ) {
    this.#store = store;
    this.#node = node;
    this.#options = options;
    this.#onShare = onShare;
    const clock = new ReplyClock();
    this.#scanSize = new BatchSize(clock, "scan");
    const { masters } = options;
    // Of a batch each master gets its share, and what it takes is mostly this program's time.
    this.#size = new BatchSize(clock, "records", options.batchSize, masters && 2 * masters);
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
    const sorter = new KeySorter(this.#options.parts, masters !== undefined);
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
        sorter.add(keys);
        await this.#visitAll(sorter, next === "0");
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
  async #visitAll(sorter: KeySorter, last: boolean): Promise<void> {
    const most = Math.max(1, Math.floor(this.#options.maxRate / BATCHES_PER_SECOND));
    for (const [part, batch] of sorter.batches(() => Math.min(this.#size.current, most), last)) {
      if (part.isOver) continue;
      await this.#rate.take(batch.length);
      while (this.#isFull(batch.length)) await Promise.race(this.#flying);
      if (this.#options.signal.aborted || this.#failure !== null) return;
      const visit = part.visit(batch, this.#size).catch((error: unknown) => {
        if (passingFailure(this.#store, error) === null) part.fail(error);
        else this.#failure ??= { error };
      }).finally(() => {
        this.#flying.delete(visit);
        this.#records -= batch.length;
      });
      this.#flying.add(visit);
      this.#records += batch.length;
    }
  }

  #isFull(records: number): boolean {
    return this.#flying.size >= IN_FLIGHT.batches && this.#records + records > IN_FLIGHT.records;
  }
}
