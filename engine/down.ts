/**
 * Takes SQL steps back, and sets the version by hand after a repair.
 *
 * @module
 */

import type { SqlDownPlan, SqlState } from "./backend.ts";
import { RefusedError } from "./errors.ts";
import { type LockRun, type LockSettings, withLock } from "./lock/with_lock.ts";
import { formatVersion, migrationId } from "./migration.ts";
import type { Backends } from "./state.ts";

/** How {@linkcode Engine.down} and {@linkcode Engine.force} work. */
export interface DownOptions extends LockRun {
  /** Which SQL store; needed only when the engine has two. */
  readonly store?: "sql" | "clickhouse";
}

type Context = Backends & { readonly lock: LockSettings; readonly version: string };

/** Says what taking back the last steps would cost. */
export async function planDown(
  context: Backends,
  steps: number,
  options: DownOptions = {},
): Promise<SqlDownPlan> {
  const backend = context.sql[indexOfStore(context, options)]!;
  assertKnown(await backend.read());
  return await backend.planDown(steps);
}

/** @throws {RefusedError} When the database is at a version whose way back this program does not know. */
function assertKnown({ ahead, version, latest }: SqlState): void {
  if (!ahead) return;
  throw new RefusedError(
    `Cannot take SQL steps back: the database is at version ${version}, and this program knows ${latest}`,
    { hint: "Use the release that applied them" },
  );
}

/** Takes back the last steps. @returns Their IDs, the newest first. */
export async function down(
  context: Context,
  steps: number,
  options: DownOptions,
): Promise<readonly string[]> {
  const index = indexOfStore(context, options);
  const backend = context.sql[index]!;
  return await withLock(context, "down", options, async ({ lock, sessions, signal }) => {
    const state = await backend.read();
    assertKnown(state);
    const { version } = state;
    const taken: string[] = [];
    for (let at = version; at > Math.max(0, version - steps); at--) {
      signal.throwIfAborted();
      const id = migrationId(backend.kind, at, "");
      lock.report({ migration: id, progress: "taking it back" });
      await sessions[index]!.down(at, { signal, beforeCommit: () => lock.confirm() });
      taken.push(id);
    }
    return taken;
  });
}

/** Sets the version and clears dirty. @throws {RefusedError} When the version is unknown. */
export async function force(context: Context, version: number, options: DownOptions): Promise<void> {
  const index = indexOfStore(context, options);
  const known = context.sql[index]!.migrations.map((migration) => migration.version);
  if (version !== 0 && !known.includes(version)) {
    throw new RefusedError(`Cannot force version ${version}: no step has this number`, {
      hint: `Known are 0 to ${formatVersion(Math.max(0, ...known))}`,
    });
  }
  await withLock(context, "force", options, async ({ lock, sessions }) => {
    await lock.confirm();
    await sessions[index]!.force(version);
  });
}

function indexOfStore(context: Backends, { store }: DownOptions): number {
  if (context.sql.length === 0) {
    throw new RefusedError("Cannot change the SQL version: no SQL store is configured", {
      hint: "Pass --postgres-url",
    });
  }
  const index = store === undefined ? 0 : context.sql.findIndex(({ kind }) => kind === store);
  if (index < 0) throw new RefusedError(`Cannot change the SQL version: no ${store} store is configured`);
  return index;
}
