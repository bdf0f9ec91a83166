/**
 * `outpost migrate list`
 *
 * @module
 */

import type { MigrationList } from "../../engine/list.ts";
import { type Command, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { readAll } from "../deployments/reading.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { listJson } from "../output/json.ts";
import { pendingSentence, renderList } from "../render/list.ts";

/** Every migration with its status. */
export const listCommand: Command = defineCommand(
  {
    path: "migrate list",
    summary: "List every migration, SQL and Redis, with its status",
    details: ["Reads only: it takes no lock, creates nothing, and answers while another run is at work."],
    examples: [
      { command: "outpost migrate list", does: "every migration and its status" },
      { command: "outpost migrate list --json", does: "the same for programs" },
      { command: "outpost migrate list --redis-only", does: "without contacting a SQL store" },
    ],
  },
  () => ({}),
  run,
  (context) =>
    readAll(context, {
      ask: (engine) => engine.list({ unlessHeld: true }),
      json: listJson,
      line: ({ pending, unread }, { style }) =>
        unread === undefined ? pendingSentence(pending, style) : style.red(unread[0]!.message),
      text: renderList,
      status: statusOf,
      isDone: ({ pending, unread }) => unread === undefined && pending.sql + pending.redis === 0,
      words: ["have nothing pending", "have something pending", "could not be asked"],
      next: { failed: "migrate list", others: "migrate plan", done: "migrate verify" },
    }),
);

async function run(context: Context): Promise<number> {
  await using open = await context.openEngine();
  const list = await context.reading(open.engine.list({ unlessHeld: true }));
  context.output.result(listJson(list), (layout) => renderList(list, layout));
  return statusOf(list);
}

function statusOf({ unread }: MigrationList): number {
  return unread === undefined ? EXIT.done : EXIT.unreachable;
}
