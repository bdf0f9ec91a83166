/**
 * Waiting for stores that do not answer yet, as where pods start together with their databases.
 *
 * @module
 */

import { type MigrationError, StoresFailedError, StoreUnreachableError } from "../../engine/errors.ts";
import { pause } from "../../engine/pause.ts";
import { formatDuration } from "../output/format.ts";
import type { Progress } from "../output/progress.ts";

/** The pause between two tries, in milliseconds. */
const EVERY_MS = 1000;

/** What waiting needs. */
export interface Patience {
  /** How long at most, in milliseconds; 0 tries nothing beforehand. */
  readonly waitMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly reading: <T>(work: Promise<T>) => Promise<T>;
}

/**
 * Opens stores, and tries until its stores answer. A client that gave up once stays closed, so each try has clients of its
 * own.
 *
 * @param ask Finds out whether they answer.
 * @throws {StoreUnreachableError | StoresFailedError} When they do not answer in time.
 * @throws {StoreDeniedError} When one answers and refuses: waiting would not help.
 */
export async function openWhenThere<Opened extends AsyncDisposable>(
  open: () => Promise<Opened>,
  ask: (opened: Opened) => Promise<unknown>,
  { waitMs, progress, signal, reading }: Patience,
): Promise<Opened> {
  const started = performance.now();
  while (waitMs > 0) {
    await using stack = new AsyncDisposableStack();
    const opened = stack.use(await open());
    try {
      await reading(ask(opened));
      stack.move();
      progress.clear();
      return opened;
    } catch (error) {
      const waited = performance.now() - started;
      if (!isSilence(error) || waited >= waitMs) throw error;
      progress.say(
        `Waiting for the stores: ${error.message}; ${formatDuration(waited)} of ${formatDuration(waitMs)}`,
        { event: "waiting" },
      );
      await reading(pause(Math.min(EVERY_MS, waitMs - waited), signal));
    }
  }
  return await open();
}

function isSilence(error: unknown): error is MigrationError {
  if (error instanceof StoresFailedError) return error.failures.every(isSilence);
  return error instanceof StoreUnreachableError;
}
