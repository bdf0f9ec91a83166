/**
 * A runner of its own process: takes the lock, appends its token to lists in Redis and to a table in Postgres, and gives the
 * lock back, as often as it is told. Prints one JSON object a line. Ends with 3 when it did not get the lock or lost it.
 *
 * @module
 */

import { Cluster, Redis } from "ioredis";
import type { EventEmitter } from "node:events";
import { LockHeldError, LockLostError } from "../../engine/errors.ts";
import { acquireLock } from "../../engine/lock/acquire.ts";
import type { HeldLock } from "../../engine/lock/lock.ts";
import { untilLost } from "../../engine/lock/until_lost.ts";
import { appendFenced, appendOnce } from "./fenced_log.ts";
import { connectLockSession, type LockSession } from "./lock_session.ts";

/** What a child is to do. */
export interface ChildOptions {
  /** One port for Redis alone, several for a cluster, none to do without. */
  readonly redisPorts: readonly number[];
  readonly postgresUrl: string | null;
  readonly names: { readonly lock: string; readonly older: readonly string[]; readonly fence: string };
  readonly ttlMs: number;
  readonly waitMs: number;
  /** How often to take the lock. A lost lock counts, and ends the child only in the last round. */
  readonly rounds: number;
  /** Writes in each round. */
  readonly writes: number;
  /** Pause between two writes. */
  readonly pauseMs: number;
  /** Lists to append to; one for each master of a cluster. */
  readonly lists: readonly string[];
  /** Beside its work, appends with the fence keys that it saw last and never asks whether the lock is lost. */
  readonly insists?: boolean;
}

/** One line of a child. */
export type ChildEvent =
  /** `lengths` are those of the lists, then of the table, once the lock was held. */
  | { readonly event: "acquired"; readonly token: string; readonly lengths: readonly number[] }
  | { readonly event: "wrote" }
  | { readonly event: "released" }
  | { readonly event: "held" | "lost"; readonly message: string }
  /** How often the server refused an insisting writer after the lock was lost, and how often it did not. */
  | { readonly event: "insisted"; readonly refused: number; readonly accepted: number };

function emit(event: ChildEvent): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(event)}\n`));
}

async function round(options: ChildOptions, client: Redis | Cluster | null): Promise<void> {
  const { postgresUrl, names, ttlMs, waitMs, lists } = options;
  const session = postgresUrl === null
    ? null
    : await connectLockSession(postgresUrl, Math.min(ttlMs, 1500), names.lock);
  {
    await using lock = await acquireLock({
      redis: client === null ? null : { client, names },
      sessions: session === null ? [] : [session],
      owner: { host: "test", pid: Deno.pid, version: "0", command: "apply" },
      ttlMs,
      waitMs,
    });
    const token = lock.fence?.token ?? crypto.randomUUID();
    const lengths = client === null ? [] : await Promise.all(lists.map((list) => client.llen(list)));
    if (session !== null) {
      const [row] = await session.connection<{ n: number }[]>`select n from counter`;
      lengths.push(row!.n);
    }
    emit({ event: "acquired", token, lengths });
    const insisting = options.insists ? insist(client!, lists, lock) : undefined;
    await using _end = { [Symbol.asyncDispose]: async () => await insisting };
    for (let i = 0; i < options.writes; i++) {
      lock.signal.throwIfAborted();
      if (client !== null) { for (const list of lists) await appendFenced(client, list, lock.fence!); }
      if (session !== null) await untilLost(lock, appendRow(session, lock, token, options.pauseMs));
      emit({ event: "wrote" });
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
  }
  emit({ event: "released" });
}

/** A writer that nobody tells anything: what the fence is for. Ends some while after the lock was lost. */
async function insist(client: Redis | Cluster, lists: readonly string[], lock: HeldLock): Promise<void> {
  const fence = lock.fence!;
  let keys = await fence.keys();
  const after = { refused: 0, accepted: 0 };
  while (after.refused + after.accepted < 100) {
    for (const list of lists) {
      const lost = lock.signal.aborted;
      const accepted = await appendOnce(client, list, fence.token, keys).catch(() => false);
      if (lost) after[accepted ? "accepted" : "refused"]++;
      else if (!accepted) keys = await fence.keys().catch(() => keys);
    }
  }
  emit({ event: "insisted", ...after });
}

/** A transaction that holds still in its middle, where a pause hurts most. */
async function appendRow(
  { connection }: LockSession,
  lock: HeldLock,
  token: string,
  pauseMs: number,
): Promise<void> {
  try {
    await connection`begin`;
    await connection`insert into log (n, token) select n, ${token} from counter`;
    await connection`update counter set n = n + 1`;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await lock.confirm();
    await connection`commit`;
  } catch (error) {
    if (error instanceof LockLostError) throw error;
    await lock.confirm(); // The connection is gone: the lock tells it.
    throw error;
  }
}

if (import.meta.main) {
  const options = JSON.parse(Deno.args[0]!) as ChildOptions;
  const [port] = options.redisPorts;
  const client = port === undefined
    ? null
    : options.redisPorts.length === 1
    ? new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 1, commandTimeout: 2000 })
    : new Cluster(options.redisPorts.map((port) => ({ host: "127.0.0.1", port })));
  (client as unknown as EventEmitter | null)?.on("error", () => {});
  let failed = false;
  for (let i = 0; i < options.rounds; i++) {
    failed = false;
    try {
      await round(options, client);
    } catch (error) {
      if (!(error instanceof LockHeldError) && !(error instanceof LockLostError)) throw error;
      failed = true;
      emit({ event: error instanceof LockHeldError ? "held" : "lost", message: error.message });
    }
  }
  client?.disconnect();
  Deno.exit(failed ? 3 : 0);
}
