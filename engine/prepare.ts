/**
 * Builds new tables beside the running application, so that `apply` only has to put them in their places; or takes them away.
 *
 * @module
 */

import { RefusedError } from "./errors.ts";
import { refusalFor } from "./refusal.ts";
import { hint } from "./hint.ts";
import type { LockOptions } from "./lock/lock.ts";
import { type Locked, withLock } from "./lock/with_lock.ts";
import { isPending, type Pace } from "./migration.ts";
import { findBlockers, PREPARED_BLOCKER } from "./plan.ts";
import type { SqlPrepared } from "./sql/sql_prepared.ts";
import type { SqlRunOptions, SqlSession } from "./sql_backend.ts";
import { assertSound, type State } from "./state.ts";
import type { EngineContext } from "./stores.ts";

/** How {@linkcode Engine.prepare} works. */
export interface PrepareOptions extends LockOptions, Pace {
  /** Told of each batch and each stage that is done. */
  readonly onProgress?: ((progress: { readonly phase: string; readonly rows: number }) => void) | undefined;
  /** Told of each time that somebody held a table, and of how long is waited before the next try. */
  readonly onRetry?: ((attempt: number, waitMs: number, reason: string) => void) | undefined;
}

/** Prepares. See {@linkcode Engine.prepare} for the errors. */
export async function prepare(
  context: EngineContext,
  read: () => Promise<State>,
  options: PrepareOptions,
): Promise<SqlPrepared | null> {
  if (pendingOf(await read()).length === 0) return null;
  return await withLock(context, "prepare", options, async (locked) => {
    const state = await read();
    const pending = pendingOf(state);
    if (pending.length === 0) return null;
    assertSound("postgres", state);
    const blockers = (await findBlockers(context, pending)).filter(({ kind }) => kind !== PREPARED_BLOCKER);
    if (blockers.length > 0) throw refusalFor("prepare", blockers);
    await preparing(locked).prepare!(pending.map(({ version }) => version), {
      ...guardOf(locked),
      maxRate: options.maxRate,
      batchSize: options.batchSize,
      ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
      onPrepared: (progress) => {
        locked.lock.report({ migration: null, progress: `${progress.phase}, ${progress.rows} rows` });
        options.onProgress?.(progress);
      },
    });
    return (await read()).sql.get("postgres")?.prepared ?? null;
  });
}

/** Takes away what is prepared. @returns False where nothing was. */
export async function abortPrepared(context: EngineContext, options: LockOptions): Promise<boolean> {
  return await withLock(context, "prepare", options, takeAway);
}

/** The same, under a lock that is held already. */
export async function takeAway(locked: Locked): Promise<boolean> {
  return await locked.sessions.get("postgres")?.abortPrepared?.(guardOf(locked)) ?? false;
}

function pendingOf(state: State) {
  if (!state.sql.has("postgres")) {
    throw new RefusedError("Cannot prepare: only Postgres can, and it is not among the stores", {
      hint: hint`Nothing else takes long: ${"apply"} does it`,
    });
  }
  return state.entries.filter(({ store, status }) => store === "postgres" && isPending(status));
}

function preparing({ sessions }: Locked): SqlSession {
  return sessions.get("postgres")!;
}

function guardOf({ lock, signal }: Locked): SqlRunOptions {
  return { signal, beforeCommit: () => lock.confirm() };
}
