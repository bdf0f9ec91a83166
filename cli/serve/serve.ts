/**
 * `outpost serve`
 *
 * @module
 */

import { presentStores, storeTitle } from "../../engine/migration.ts";
import { PendingError } from "../../engine/errors.ts";
import type { Status } from "../../engine/status.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { parseDuration } from "../line/duration.ts";
import { UsageError } from "../errors.ts";
import { formatDuration } from "../output/format.ts";
import { ownerText } from "../render/owner.ts";
import { pendingText } from "../render/list.ts";
import { hint } from "../../engine/hint.ts";
import { pause } from "../../engine/pause.ts";
import type { ResolvedSetting } from "../settings/resolve.ts";
import { findServer, runServer } from "./server_program.ts";

const POLL_MS = 1000;

interface ServeOptions {
  readonly command: readonly string[];
  readonly waitMs: number;
}

/** The gate before the server. */
export const serve: Command = defineCommand(
  {
    path: "serve",
    summary: "Check that nothing is pending, then run the server",
    details: [
      "Refuses with exit status 1 while anything is pending. Otherwise it runs the command after --, or outpost-server beside " +
      "this program or on PATH, with the same streams, and in its environment the settings that were proven, whether a flag, a " +
      "variable or a file said so; signals are passed on, and its exit status is that of the server.",
    ],
    examples: [
      { command: "outpost serve", does: "check, then run outpost-server" },
      { command: "outpost serve --wait 5m", does: "let another process finish migrating first" },
      { command: "outpost serve -- ./my-server --port 3333", does: "run something else" },
    ],
    arguments: [{ name: "[command...]", description: "The server's command line, after --" }],
    flags: [{
      flags: "--wait <DURATION>",
      description:
        "Wait for another process to finish migrating, and for stores that do not answer yet, instead of refusing",
      default: "0",
    }],
  },
  read,
  run,
);

function read(input: CommandInput): ServeOptions {
  const wait = input.text("wait") ?? "0";
  const waitMs = parseDuration(wait);
  if (waitMs === null) {
    throw new UsageError(`--wait must be a duration such as 500ms, 3s, 5m, 1h or 0, and is "${wait}"`);
  }
  return { command: input.args, waitMs };
}

async function run(context: Context, { command, waitMs }: ServeOptions): Promise<number> {
  await assertCurrent(context, waitMs);
  const server = await findServer(command, context.host);
  context.log.debug(`starting ${server[0]}`, { event: "serve" });
  return await runServer(server, context.host, provenSettings(context.resolved));
}

/**
 * The settings that a flag or a file said, as variables: without them the server might use other stores than those that were
 * proven. What its environment says already stays as it is written there.
 */
function provenSettings(resolved: readonly ResolvedSetting[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    resolved.filter(({ origin }) => origin.kind === "flag" || origin.kind === "file")
      .map(({ definition, value }) => [definition.env, definition.type.show(value)]),
  );
}

/** @throws {PendingError} When something is pending and stays so. */
async function assertCurrent(context: Context, waitMs: number): Promise<void> {
  const started = context.host.now().getTime();
  await using open = await context.openEngine({}, Math.max(waitMs, context.settings.connectWaitMs));
  while (true) {
    const status = await context.reading(open.engine.status());
    const { sql, redis } = status.pending;
    if (sql === 0 && redis === 0 && !isDirty(status)) {
      warnAbout(status, context);
      context.progress.clear();
      return;
    }
    const waited = context.host.now().getTime() - started;
    if (waited >= waitMs) {
      warnOfPrepared(status, context);
      throw pendingError(status, waited, waitMs > 0);
    }
    const { lock } = status;
    const who = lock === null
      ? "nobody is at work yet"
      : `${ownerText(lock)} ${lock.alive ? "is at work" : "seems dead"}`;
    context.progress.say(
      `Waiting for migrations: ${pendingText(status.pending)} pending, ${who}; ${formatDuration(waited)} of ${
        formatDuration(waitMs)
      }`,
      { event: "waiting", sql, redis },
    );
    await context.reading(pause(Math.min(POLL_MS, waitMs - waited), context.signal));
  }
}

function isDirty(status: Status): boolean {
  return presentStores(status).some(([, { dirty }]) => dirty);
}

/** What is no reason to refuse, but one to look. */
function warnAbout(status: Status, context: Context): void {
  const { log } = context;
  warnOfPrepared(status, context);
  for (const [store, { drift, ahead, version, latest }] of presentStores(status)) {
    const name = storeTitle(store);
    for (const found of drift) log.warn(`${name}: ${found}; starting anyway`, { event: "drift" });
    if (!ahead) continue;
    log.warn(
      `${name} is at version ${version}, ahead of the ${latest} that this program knows; starting anyway`,
      { event: "ahead", version, latest },
    );
  }
}

/** What is prepared is at work with every write, whoever started the server that writes. */
function warnOfPrepared(status: Status, { log }: Context): void {
  for (const [store, { prepared }] of presentStores(status)) {
    const useless = prepared?.problem ?? null;
    if (useless === null) continue;
    log.warn(
      `What is prepared in ${
        storeTitle(store)
      } is of no use: ${useless}; it notes every write until outpost migrate prepare --abort`,
      { event: "prepared" },
    );
  }
}

function pendingError(status: Status, waitedMs: number, asked: boolean): PendingError {
  const { pending, lock } = status;
  const after = asked ? ` after ${formatDuration(waitedMs)}` : "";
  const what = pendingText(pending);
  const message = isDirty(status)
    ? `Cannot start the server: another tool failed in the middle of a SQL step${
      what === "" ? "" : `; ${what} pending`
    }`
    : `Cannot start the server: ${what} still pending${after}`;
  const atWork = lock !== null && lock.alive;
  return new PendingError(message, pending, {
    hint: isDirty(status)
      ? hint`Look at it: ${"verify"}`
      : atWork
      ? `${ownerText(lock)} is at work: try again when it is done, or outpost serve --wait 5m`
      : hint`Apply them first: ${"apply"}`,
  });
}
