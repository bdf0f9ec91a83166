/**
 * How much at a time, and how fast: batches that keep a single command short on the server, and a limit of records a
 * second.
 *
 * @module
 */

import { InterruptedError, MigrationError } from "../../errors.ts";

/**
 * A command is meant to take this long at most on the server. What is measured is rather more than that. A server may take several of
 * one connection before it turns to another client; smaller batches than these would cost it more in all.
 */
const TARGET_MS = 1;
/** A page of keys costs the server little beside what it costs this program, which may be slow to notice the answer. */
const SMALLEST = { scan: 250, records: 50 };
const LARGEST = { scan: 1000, records: 100 };
/** A batch carries about this many bytes of values at most. */
const LARGEST_BYTES = 512 * 1024;

/** What a command of a batch does: each kind takes its own time. */
export type BatchWork = "scan" | "read" | "write";

/** When the last reply came over a connection, whatever it answered. */
export class ReplyClock {
  /** Milliseconds, as `performance.now()` tells them. */
  lastReply = 0;
}

/** Finds the size of a batch from how long the last ones took. */
export class BatchSize {
  readonly #clock: ReplyClock;
  readonly #fixed: number | undefined;
  readonly #largest: number;
  readonly #smallest: number;
  readonly #spread: number;
  readonly #msPerRecord = new Map<BatchWork, number>();
  #size: number;

  /**
   * @param clock Of the connection that the commands go over.
   * @param kind Keys that are scanned, or records that are read or written.
   * @param fixed Records in a batch, or undefined to adapt.
   * @param spread How many nodes a batch is spread over.
   */
  constructor(clock: ReplyClock, kind: keyof typeof LARGEST, fixed?: number, spread = 1) {
    this.#clock = clock;
    this.#fixed = fixed;
    this.#largest = LARGEST[kind] * Math.min(2, spread); // Of what is spread each node gets a part.
    this.#smallest = SMALLEST[kind];
    this.#size = Math.min(this.#smallest * spread, this.#largest);
    this.#spread = spread;
  }

  /** Records in the next batch. */
  get current(): number {
    return this.#fixed ?? this.#size;
  }

  /**
   * Runs one command for a batch and learns from it. Commands of one connection are answered in order; so a command was
   * being served, at the longest, from the reply before it (or from when it was sent, if that is later) to its own.
   */
  async measure<T>(
    work: BatchWork,
    records: number,
    command: () => Promise<T>,
    bytes: (reply: T) => number = () => 0,
  ): Promise<T> {
    const sentAt = performance.now();
    const reply = await command();
    const now = performance.now();
    const served = now - Math.max(sentAt, this.#clock.lastReply);
    this.#clock.lastReply = now;
    if (records > 0) this.#learn(work, served / records, bytes(reply) / records);
    return reply;
  }

  #learn(work: BatchWork, msPerRecord: number, bytesPerRecord: number): void {
    // An average: replies that arrive together make one interval too long and the next too short.
    const before = this.#msPerRecord.get(work) ?? msPerRecord;
    this.#msPerRecord.set(work, before * 0.8 + msPerRecord * 0.2);
    const byTime = TARGET_MS / Math.max(...this.#msPerRecord.values(), 1e-4);
    const byBytes = LARGEST_BYTES / Math.max(bytesPerRecord, 1);
    const wanted = Math.min(
      Math.max(this.#smallest * this.#spread, byTime),
      byBytes,
      this.#size * 1.5,
      this.#largest,
    );
    this.#size = Math.max(1, Math.round(wanted));
  }
}

/**
 * Stops a run whose signal has fired.
 *
 * @throws {MigrationError} The signal's reason where it is one, such as a lost lock.
 * @throws {InterruptedError} Otherwise.
 */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof MigrationError) throw signal.reason;
  throw new InterruptedError("Interrupted: the batch in hand was finished", {
    cause: signal.reason,
    hint: "Run the same command again to continue",
  });
}
