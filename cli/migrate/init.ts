/**
 * `outpost migrate init`
 *
 * @module
 */

import type { InitResult } from "../../engine/init.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { readAll } from "../deployments/reading.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { initJson } from "../output/json.ts";
import { lockOptions } from "./lock_options.ts";
import { type Layout, nextCommand, nextWhenDone } from "../output/output.ts";
import { pendingSentence } from "../render/list.ts";
import { LOCK_SETTINGS } from "../line/shared_options.ts";

interface InitCommandOptions {
  readonly current: boolean;
}

/** What is said of each of several deployments. */
const BRIEFLY = {
  marked: "Fresh, and marked applied. ",
  adopted: "What was known is recorded. ",
  used: "",
};

/** Prepares a fresh installation. */
export const initCommand: Command = defineCommand(
  {
    path: "migrate init",
    summary: "Prepare a fresh installation; with --current, fail when anything is pending",
    details: [
      "On a fresh Redis there is nothing to migrate: its migrations are marked applied, once, whichever of many nodes comes " +
      "first. On a used one nothing changes, but bookkeeping of older releases is taken over. SQL steps are left to apply.",
    ],
    examples: [
      { command: "outpost migrate init", does: "at the first start" },
      { command: "outpost migrate init --current && outpost serve", does: "in a start script" },
    ],
    flags: [{ flags: "--current", description: "Exit 1 when anything is pending" }],
    settings: LOCK_SETTINGS,
  },
  (input: CommandInput): InitCommandOptions => ({ current: input.has("current") }),
  run,
  (context, { current }) => {
    const lock = lockOptions(context);
    return readAll(context, {
      ask: (engine) => engine.init(lock),
      json: initJson,
      line: ({ redis, pending }, { style }) =>
        `${redis === null ? "" : BRIEFLY[redis]}${pendingSentence(pending, style)}`,
      text: (result, layout) => renderInit(result, layout),
      status: (result) => statusOf(result, current),
      isDone: ({ pending }) => pending.sql + pending.redis === 0,
      words: ["have nothing pending", "have something pending", "failed"],
      next: {
        failed: "migrate plan",
        others: "migrate plan",
        ...(current ? {} : { done: "migrate verify" }),
      },
    });
  },
);

async function run(context: Context, { current }: InitCommandOptions): Promise<number> {
  await using open = await context.openEngine();
  const result = await open.engine.init(lockOptions(context));
  context.output.result(initJson(result), (layout) => renderInit(result, layout));
  return statusOf(result, current);
}

function statusOf({ pending }: InitResult, current: boolean): number {
  return current && pending.sql + pending.redis > 0 ? EXIT.failed : EXIT.done;
}

function renderInit({ redis, pending }: InitResult, layout: Layout): string {
  const found = {
    marked: "A fresh Redis: its migrations are marked applied, there is nothing to migrate.",
    adopted: "Redis is in use: what was known of its migrations is recorded, nothing else was changed.",
    used: "Redis is in use: nothing was changed.",
  };
  return [
    ...(redis === null ? [] : [found[redis]]),
    pendingSentence(pending, layout.style),
    pending.sql + pending.redis > 0
      ? nextCommand(layout, "outpost migrate apply", "apply it")
      : nextWhenDone(layout, { pending: false }),
  ].join("\n");
}
