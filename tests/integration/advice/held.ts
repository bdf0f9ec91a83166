/**
 * Others who are at work on the same stores.
 *
 * @module
 */

import type { CliResult } from "../../support/cli.ts";
import { eventually } from "../../support/server.ts";
import type { World } from "./world.ts";

/** Keeps steps from going on, as a long transaction does. */
export async function holdTable(world: World, table = "events", mode = "SHARE"): Promise<AsyncDisposable> {
  const session = await world.sql().reserve();
  await session`begin`;
  await session.unsafe(`lock table ${table} in ${mode} mode`);
  let ended = false;
  return {
    async [Symbol.asyncDispose]() {
      if (ended) return;
      ended = true;
      await session`rollback`;
      session.release();
    },
  };
}

/** Heartbeats tell others what a run is at, six in a lease. */
export const SOON_TOLD = "--lock-ttl 12s";

/** Waits until a command says something. */
export async function untilTold(world: World, line: string, words: string): Promise<void> {
  await eventually(async () => {
    const { stdout, stderr } = await world.outpost(line);
    if (!stdout.includes(words)) throw new Error(`"${line}" does not say "${words}": ${stdout}${stderr}`);
  });
}

/**
 * Does something while another process applies, and is held up.
 *
 * @param end How it is ended: it is told to stop, or else nothing holds it any more.
 * @returns What the work returned, and what came of the run.
 */
export async function besideRun(
  world: World,
  work: () => Promise<CliResult>,
  end: "stop" | "finish" = "stop",
): Promise<{ readonly result: CliResult; readonly run: CliResult }> {
  await world.old();
  const stop = new AbortController();
  const held = await holdTable(world);
  const run = world.outpost(`migrate apply --yes --lock-retries 1000 ${SOON_TOLD}`, { stop: stop.signal });
  await untilTold(world, "migrate list", "running");
  const result = await work();
  if (end === "stop") stop.abort();
  await held[Symbol.asyncDispose]();
  return { result, run: await run };
}

/** What a runner leaves that was killed: its lease goes on for a moment without a heartbeat. */
export async function leaveDeadLock({ client }: World): Promise<void> {
  const time = new Date().toISOString();
  const lease = {
    ...{ token: "1-a", host: "web-1", pid: 4711, version: "1.0.0", command: "apply", migration: null },
    ...{ progress: null, acquired_at: time, heartbeat_at: time, ttl_ms: 1_000_000 },
  };
  await client.set("outpost:migration:lock", JSON.stringify(lease), "PX", 400_000);
}

/** What golang-migrate leaves where it failed. */
export async function leaveDirty(world: World): Promise<void> {
  await world.old();
  await world.sql()`update schema_migrations set dirty = true`;
}
