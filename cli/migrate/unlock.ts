/**
 * `outpost migrate unlock`
 *
 * @module
 */

import { LockHeldError } from "../../engine/errors.ts";
import { hint } from "../../engine/hint.ts";
import type { LockOwner } from "../../engine/lock/lock.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { unlockJson } from "../output/status_json.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { activityText, ageText, ownerText } from "../render/owner.ts";

interface UnlockCommandOptions {
  readonly yes: boolean;
  readonly force: boolean;
}

/** Clears a dead lock. */
export const unlockCommand: Command = defineCommand(
  {
    path: "migrate unlock",
    summary: "Clear a dead lock",
    details: [
      "Rarely needed: a lock frees itself soon after its holder died. It shows the holder and refuses while its heartbeat is " +
      "fresh. It needs no SQL database: the lock there ends with the connection of its holder.",
    ],
    examples: [
      { command: "outpost migrate unlock", does: "show the holder, ask, clear" },
      { command: "outpost migrate unlock --yes", does: "without a question" },
      {
        command: "outpost migrate unlock --force",
        does: "also when the holder is alive: it stops before its next write",
      },
    ],
    flags: [
      { flags: "-y, --yes", description: "Do not ask" },
      { flags: "-f, --force", description: "Also clear the lock of a living holder" },
    ],
  },
  (input: CommandInput): UnlockCommandOptions => ({ yes: input.has("yes"), force: input.has("force") }),
  run,
);

async function run(context: Context, { yes, force }: UnlockCommandOptions): Promise<number> {
  await using open = await context.openEngine({ sides: "redis" });
  const owner = await context.reading(open.engine.lockOwner());
  if (owner === null) {
    context.output.result(
      unlockJson([], null),
      (layout) =>
        [layout.style.green("Nobody holds the lock."), nextCommand(layout, "outpost migrate status")].join(
          "\n",
        ),
    );
    return EXIT.done;
  }
  context.output.text(renderOwner(owner, context.output.layout));
  if (breathes(owner) && !force) throw aliveError(owner);
  if (!yes) await ask(context, owner, force);
  const { cleared, owner: was } = await open.engine.unlock({ force });
  context.output.result(unlockJson(cleared, was), (layout) => renderCleared(cleared, layout));
  return EXIT.done;
}

/** A lock without heartbeats, as older tools leave it, says nothing about its holder: then the user decides. */
function breathes({ alive, heartbeatAt }: LockOwner): boolean {
  return alive && heartbeatAt !== null;
}

function aliveError(owner: LockOwner): LockHeldError {
  return new LockHeldError(`Cannot clear the lock: ${ownerText(owner)} holds it and is alive`, owner, {
    hint: hint`Wait for it, or stop it; ${"unlock --force"} takes the lock away from it`,
  });
}

async function ask(context: Context, owner: LockOwner, force: boolean): Promise<void> {
  const question: Question = {
    text: breathes(owner)
      ? `Take the lock away from ${ownerText(owner)}, which is alive and will stop?`
      : `Clear the lock of ${ownerText(owner)}? Make sure that it is not at work any more.`,
    instead: `unlock ${force ? "--force " : ""}--yes`,
  };
  assertCanAsk({ host: context.host, json: context.output.json }, question);
  if (!await context.confirm(question)) throw new DeclinedError("The lock was left alone: the answer was no");
}

function renderOwner(owner: LockOwner, { style, now }: Layout): string {
  const state = breathes(owner)
    ? style.green("alive")
    : owner.alive
    ? style.yellow("without heartbeats, so nothing tells whether it is alive")
    : style.red("no sign of life");
  return [
    `Held by ${ownerText(owner)}: ${state}`,
    ...[activityText(owner), ageText(owner, now)].filter((line) => line !== "").map((line) => `  ${line}`),
  ].join("\n");
}

function renderCleared(cleared: readonly string[], layout: Layout): string {
  const next = nextCommand(layout, "outpost migrate status");
  if (cleared.length === 0) {
    return `Nothing was cleared: the lock ended meanwhile, or ends with its connection.\n${next}`;
  }
  return `${layout.style.green(`Cleared ${cleared.join(", ")}.`)}\n${next}`;
}
