/**
 * One run of one migration: recorded as begun, checkpointed on the way, and recorded as what became of it.
 *
 * @module
 */

import type { RedisApplyOptions } from "../backend.ts";
import { MigrationError } from "../errors.ts";
import { migrationId, type MigrationResult } from "../migration.ts";
import type { Bookkeeping } from "./bookkeeping.ts";
import { replyCode, toStoreError } from "./errors.ts";
import type { RedisMigration } from "./migration.ts";
import { ProgressReporter } from "./walk/progress.ts";
import type { RedisStore } from "./store.ts";
import { Tally } from "./walk/tally.ts";
import type { TransformPattern } from "./transform/transform_records.ts";
import type { Position } from "./walk/position.ts";

/** A checkpoint is written at most this often. */
const CHECKPOINT_MS = 250;

/** What a run needs to know. */
export interface Run {
  readonly store: RedisStore;
  readonly bookkeeping: Bookkeeping;
  readonly migration: RedisMigration;
  readonly later: readonly TransformPattern[];
  readonly options: RedisApplyOptions;
  /** Where an interrupted run stood. */
  readonly from: Position | undefined;
}

/**
 * Runs it.
 *
 * @returns The outcome, as recorded.
 * @throws {MigrationError} When the run was cut off: interrupted, locked out, or without a server.
 */
export async function runMigration(run: Run): Promise<MigrationResult> {
  const { store, bookkeeping, migration, options } = run;
  const { name, version } = migration;
  const startedAt = performance.now();
  const id = migrationId("redis", version, name);
  const tally = new Tally();
  const progress = new ProgressReporter(id, tally, options.onProgress);
  const token = crypto.randomUUID();
  await bookkeeping.begin(name, token, run.from, options.fence);
  const checkpoints = new Checkpoints((position) =>
    bookkeeping.checkpoint(name, token, position, tally, options.fence)
  );
  let fault: string | null = null;
  try {
    await migration.apply({
      store,
      later: run.later,
      fence: options.fence,
      tally,
      skipInvalid: options.skipInvalid ?? false,
      from: run.from,
      signal: AbortSignal.any([options.signal, checkpoints.signal]),
      maxRate: options.maxRate,
      batchSize: options.batchSize,
      onStep: (position, share) => {
        progress.step(share);
        checkpoints.step(position);
      },
    });
  } catch (error) {
    const failure = toStoreError(error, `Cannot apply ${id}`);
    if (failure instanceof MigrationError) {
      await checkpoints.finish();
      throw failure;
    }
    // What the server finds fault with, such as a full memory, fails the migration; a fault of the program is thrown.
    if (replyCode(failure) === null) throw failure;
    fault = `The server answered ${codeWithin(failure) ?? replyCode(failure)}`;
  }
  await checkpoints.settle();
  progress.finish();
  const issues = fault === null ? tally.issues : [fault, ...tally.issues];
  const outcome = fault === null && tally.failed === 0 ? "applied" : "failed";
  if (outcome === "applied") await bookkeeping.applied(name, tally, options.fence);
  else await bookkeeping.failed(name, tally, issues, options.fence);
  const { processed, failed, skipped, conflicts } = tally;
  const durationMs = Math.round(performance.now() - startedAt);
  return { id, outcome, processed, failed, skipped, conflicts, durationMs, issues };
}

/** Before 7.0, a server that finds fault with a command of a script tells so with an error of the script. */
function codeWithin(error: unknown): string | null {
  return /@user_script: ?\d+: -([A-Z]+) /.exec(String(error))?.[1] ?? null;
}

/** Writes positions one after the other, the newest only. A failure to write stops the run by the signal. */
class Checkpoints {
  readonly #write: (position: Position) => Promise<void>;
  readonly #controller = new AbortController();
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #latest: Position | null = null;
  #writtenAt = performance.now();

  constructor(write: (position: Position) => Promise<void>) {
    this.#write = write;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  step(position: Position): void {
    this.#latest = position;
    if (!this.#busy && performance.now() - this.#writtenAt >= CHECKPOINT_MS) this.#start(position);
  }

  #start(position: Position): void {
    this.#busy = true;
    this.#latest = null;
    this.#writing = this.#write(position).then(() => {
      this.#writtenAt = performance.now();
    }, (error: unknown) => this.#controller.abort(toStoreError(error, "Cannot note the progress"))).finally(
      () => {
        this.#busy = false;
      },
    );
  }

  /** Waits for what is being written. */
  settle(): Promise<void> {
    return this.#writing;
  }

  /** Writes the last position of a run that was cut off, where the server still takes it. */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#latest === null || this.#controller.signal.aborted) return;
    await this.#write(this.#latest).catch(() => {}); // Then the checkpoint before it holds, and more is looked at again.
  }
}
