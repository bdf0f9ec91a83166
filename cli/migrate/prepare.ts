/**
 * `outpost migrate prepare`
 *
 * @module
 */

import type { SqlPrepared } from "../../engine/sql/sql_prepared.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatBytes, formatCount, formatCounted } from "../output/format.ts";
import { prepareJson } from "../output/json.ts";
import { lockOptions, paceOf, tellRetry } from "./lock_options.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { LOCK_SETTINGS, PACE_SETTINGS, STEP_SETTINGS } from "../line/shared_options.ts";
import { wrap } from "../output/table.ts";

interface PrepareCommandOptions {
  readonly abort: boolean;
}

/** Does the long work beside the running application. */
export const prepareCommand: Command = defineCommand(
  {
    path: "migrate prepare",
    summary: "Build new tables beside the running application, so that apply only switches",
    details: [
      "For Postgres. Copies the tables that pending steps write anew, builds their indexes, compares them with the old ones, and takes " +
      "in what the application writes meanwhile, which triggers note by key. Nothing that an application or another tool sees " +
      "changes, and what is prepared is still pending: stop the application and run outpost migrate apply, which is then a matter of moments.",
      "Interrupted or killed, run it again: it continues where it was. Run again when it is ready, it takes in what was written since. " +
      "It needs room on disk for the tables a second time, their new indexes and the log of the server.",
    ],
    examples: [
      { command: "outpost migrate prepare", does: "all of it, as fast as the server is" },
      { command: "outpost migrate prepare --max-rate 5000", does: "gently, beside a busy application" },
      { command: "outpost migrate prepare --abort", does: "take everything away again" },
    ],
    flags: [{ flags: "--abort", description: "Take away what is prepared: tables, triggers and notes" }],
    settings: [...LOCK_SETTINGS, ...PACE_SETTINGS, ...STEP_SETTINGS],
  },
  (input: CommandInput): PrepareCommandOptions => ({ abort: input.has("abort") }),
  run,
);

async function run(context: Context, { abort }: PrepareCommandOptions): Promise<number> {
  await using open = await context.openEngine();
  if (abort) {
    const there = await open.engine.abortPrepared(lockOptions(context));
    context.output.result(
      prepareJson(null, there),
      (layout) => renderDone(there ? "Took away what was prepared." : "Nothing was prepared.", layout),
    );
    return EXIT.done;
  }
  let shown = "";
  const prepared = await open.engine.prepare({
    ...lockOptions(context),
    ...paceOf(context),
    onProgress({ phase, rows }) {
      context.progress.busy(`${phase}, ${formatCount(rows)} rows ...`);
      if (phase !== shown) context.log.info(phase, { event: "prepare", phase, rows });
      shown = phase;
    },
    onRetry: (attempt, waitMs, reason) => tellRetry(context.log, { id: "prepare", attempt, waitMs, reason }),
  });
  context.output.result(
    prepareJson(prepared),
    (layout) => renderOutcome(prepared, layout),
  );
  return EXIT.done;
}

function renderDone(what: string, layout: Layout): string {
  return `${layout.style.green(what)}\n${nextCommand(layout, "outpost migrate status")}`;
}

function renderOutcome(prepared: SqlPrepared | null, layout: Layout): string {
  const { style, width } = layout;
  if (prepared === null) return renderDone("Nothing to prepare: no Postgres step is pending.", layout);
  const { versions, rows, bytes, backlog } = prepared;
  const left = backlog === null || backlog === 0
    ? ""
    : `, ${formatCounted(backlog, "write")} since yet to take in`;
  return [
    style.green(
      wrap(
        `Versions ${versions[0]} to ${versions.at(-1)} are prepared: ${
          formatCount(rows)
        } rows were copied and compared, ${formatBytes(bytes)} on disk${left}. They are still pending.`,
        width,
        "",
      ),
    ),
    nextCommand(layout, "outpost migrate apply", "once the old server is stopped: it only switches"),
  ].join("\n");
}
