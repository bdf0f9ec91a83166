/**
 * `outpost migrate status`
 *
 * @module
 */

import { presentStores } from "../../engine/migration.ts";
import type { Status } from "../../engine/status.ts";
import { type Command, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { readAll } from "../deployments/reading.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { statusJson } from "../output/status_json.ts";
import { ownerText } from "../render/owner.ts";
import { renderStatus, verdict } from "../render/status.ts";

/** The short answer: can I deploy? */
export const statusCommand: Command = defineCommand(
  {
    path: "migrate status",
    summary: "Can I deploy? Versions, pending counts, and who holds the lock",
    details: [
      "Reads only. Exits 0 whatever the answer is; to fail when something is pending, use outpost migrate plan --check or " +
      "outpost migrate init --current.",
    ],
    examples: [
      { command: "outpost migrate status", does: "the answer on one screen" },
      { command: "outpost migrate status --json | jq .pending", does: "how much is pending, for programs" },
    ],
  },
  () => ({}),
  run,
  (context) =>
    readAll(context, {
      ask: (engine) => engine.status({ unlessHeld: true }),
      json: statusJson,
      line: (status, { style }) => {
        const { lock, unread } = status;
        return unread !== undefined ? style.red(unread[0]!.message) : verdict(status, style) +
          (lock === null ? "" : ` Lock ${lock.alive ? "held" : "dead"} by ${ownerText(lock)}.`);
      },
      text: renderStatus,
      status: statusOf,
      isDone: (status) =>
        status.unread === undefined && status.pending.sql + status.pending.redis === 0 &&
        presentStores(status).every(([, { drift }]) => drift.length === 0),
      isAdoptable: ({ redis }) => redis?.adoptable === true,
      words: ["have nothing pending", "have something pending", "could not be asked"],
      next: { failed: "migrate status", others: "migrate plan", done: "migrate verify" },
    }),
);

async function run(context: Context): Promise<number> {
  await using open = await context.openEngine();
  const status = await context.reading(open.engine.status({ unlessHeld: true }));
  context.output.result(statusJson(status), (layout) => renderStatus(status, layout));
  return statusOf(status);
}

function statusOf({ unread }: Status): number {
  return unread === undefined ? EXIT.done : EXIT.unreachable;
}
