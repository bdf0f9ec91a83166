/**
 * `outpost migrate cleanup`
 *
 * @module
 */

import type { CleanupResult } from "../../engine/migration.ts";
import type { CleanupItem } from "../../engine/cleanup.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { cleanUpMany } from "../deployments/cleanup.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import { cleanupJson } from "../output/json.ts";
import { lockOptions, paceOf } from "./lock_options.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { LOCK_SETTINGS, PACE_SETTINGS } from "../line/shared_options.ts";
import { wrap } from "../output/table.ts";

interface CleanupCommandOptions {
  readonly id: string | undefined;
  readonly yes: boolean;
  readonly force: boolean;
}

/** Deletes what migrations left behind. */
export const cleanupCommand: Command = defineCommand(
  {
    path: "migrate cleanup",
    summary: "Delete what a migration left behind, once proven copied",
    details: [
      "Verifies first, then asks. Each original is deleted only in the same atomic command that proves its copy complete; what " +
      "is not proven stays and is listed, with exit status 1.",
      "Without an ID it cleans up after the Redis migrations. Rows that a SQL step kept aside exist nowhere else: they go only " +
      "when their step is named.",
    ],
    examples: [
      { command: "outpost migrate cleanup", does: "verify, ask, delete the originals" },
      { command: "outpost migrate cleanup redis/1 --yes", does: "one migration, without a question" },
      { command: "outpost migrate cleanup sql/5", does: "the rows that step 5 kept aside" },
    ],
    arguments: [{
      name: "[id]",
      description: "A migration, for example redis/001_hash_tags",
      completes: "migration",
    }],
    flags: [
      { flags: "-y, --yes", description: "Do not ask" },
      {
        flags: "-f, --force",
        description: "Skip the verification beforehand; never the proof of each record",
      },
    ],
    settings: [...LOCK_SETTINGS, ...PACE_SETTINGS],
  },
  read,
  run,
  cleanUpMany,
);

function read(input: CommandInput): CleanupCommandOptions {
  return { id: input.args[0], yes: input.has("yes"), force: input.has("force") };
}

async function run(context: Context, options: CleanupCommandOptions): Promise<number> {
  await using open = await context.openEngine();
  const id = options.id === undefined ? undefined : open.engine.resolve(options.id);
  const instead = ["cleanup", ...(id === undefined ? [] : [id]), "--yes"].join(" ");
  if (!options.yes) {
    const text = `Delete what ${id ?? "the Redis migrations"} left behind?`;
    assertCanAsk({ host: context.host, json: context.output.json }, { text, instead });
  }
  // Nobody is told how many there are who is not asked, but of those that stay.
  const any = options.yes && (id === undefined || id.startsWith("redis/"));
  if (!any) context.progress.busy("Counting what is left ...");
  const { items } = await context.reading(open.engine.planCleanup({ id, any, signal: context.signal }));
  const chosen = items.filter((item) =>
    item.count > 0 && (id === undefined ? isRedis(item) : item.id === id)
  );
  const others = items.filter((item) => item.count > 0 && !chosen.includes(item));
  if (chosen.length === 0) {
    const empty = { id: id ?? null, deleted: 0, kept: 0, issues: [] };
    context.output.result(cleanupJson(empty), (layout) => renderNothing(id, others, layout));
    return EXIT.done;
  }
  if (!options.force) {
    context.progress.busy("Verifying before anything is deleted ...");
    const ids = chosen.map((item) => item.id);
    await context.reading(open.engine.assertCleanable(ids, { signal: context.signal }));
  }
  if (!options.yes) await ask(context, chosen, instead);
  let kept = 0;
  for (const item of chosen) {
    context.progress.restart();
    // Verified just now, before the question: a second time would only make the user wait.
    const result = await open.engine.cleanup(item.id, {
      ...lockOptions(context),
      ...paceOf(context),
      force: true,
      onProgress: (progress) => context.progress.update(progress),
    });
    context.telemetry.count("outpost.cleanup.deleted", result.deleted, { "outpost.migration.id": item.id });
    context.output.result(cleanupJson(result), (layout) => renderCleanup(result, layout));
    kept += result.kept;
  }
  context.output.text(renderNext(kept, others, context.output.layout));
  return kept > 0 ? EXIT.failed : EXIT.done;
}

function isRedis({ id }: CleanupItem): boolean {
  return id.startsWith("redis/");
}

async function ask(context: Context, items: readonly CleanupItem[], instead: string): Promise<void> {
  const what = items.map((item) => `${amountOf(item)} of ${item.id}`);
  context.output.text(what.map((line) => `Will look at ${line}.`).join("\n"));
  const question: Question = { text: `Delete ${what.join(" and ")}? This cannot be taken back.`, instead };
  if (!await context.confirm(question)) throw new DeclinedError("Nothing was deleted: the answer was no");
}

function renderNothing(id: string | undefined, others: readonly CleanupItem[], layout: Layout): string {
  const { style } = layout;
  return [
    style.green(id === undefined ? "Nothing to clean up." : `Nothing to clean up after ${id}.`),
    ...others.map((item) => keptAside(item, layout)),
    nextAfterCleanup(others, layout),
  ].join("\n");
}

function keptAside(item: CleanupItem, { width }: Layout): string {
  return wrap(`${item.id} left behind: ${amountOf(item)}.`, width, "  ");
}

/** `12 rows in outpost_quarantine`; of one alone, `1 row`. */
function amountOf({ count, detail }: CleanupItem): string {
  return `${formatCount(count)} ${count === 1 ? detail.replace(/^([\w ]+?)s\b/, "$1") : detail}`;
}

function renderCleanup({ id, deleted, kept, issues }: CleanupResult, { style, width }: Layout): string {
  return [
    `${style.cyan(id)}  ${formatCounted(deleted, id.startsWith("redis/") ? "original" : "row")} deleted, ${
      formatCount(kept)
    } kept`,
    ...issues.map((issue) => wrap(`  ${style.yellow("!")} ${issue}`, width, "    ")),
  ].join("\n");
}

function renderNext(kept: number, others: readonly CleanupItem[], layout: Layout): string {
  const { style } = layout;
  return [
    kept === 0 ? style.green("Cleaned up.") : style.yellow("What is not proven to be copied was kept."),
    ...others.map((item) => keptAside(item, layout)),
    kept > 0 ? nextCommand(layout, "outpost migrate verify --full", "why") : nextAfterCleanup(others, layout),
  ].join("\n");
}

/** Originals are proven to be copied before they go; rows that were kept aside exist nowhere else. */
function nextAfterCleanup(others: readonly CleanupItem[], layout: Layout): string {
  const [other] = others.toSorted((a, b) => Number(isRedis(b)) - Number(isRedis(a)));
  if (other === undefined) return nextCommand(layout, "outpost migrate status");
  return isRedis(other)
    ? nextCommand(layout, `outpost migrate cleanup ${other.id}`)
    : nextCommand(layout, `outpost migrate cleanup ${other.id}`, "only when these rows are not needed");
}
