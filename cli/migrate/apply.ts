/**
 * `outpost migrate apply`
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import { ApplyError, refusalFor } from "../../engine/errors.ts";
import { ApplyReport } from "./apply_report.ts";
import type { MigrationResult } from "../../engine/migration.ts";
import type { SavedPlan } from "../../engine/saved_plan.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError, UsageError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCounted } from "../output/format.ts";
import { applySummaryJson } from "../output/json.ts";
import { lockOptions, paceOf } from "./lock_options.ts";
import { nextWhenDone } from "../output/output.ts";
import { readPlanFile } from "../plan_file/plan_file.ts";
import { renderDone, renderResults } from "../render/apply.ts";
import { concerned, placesText } from "../render/place.ts";
import { renderPlan } from "../render/plan.ts";
import { describeError, errorJson } from "../output/report_error.ts";
import { storePlace } from "../stores/place.ts";
import { LOCK_SETTINGS, PACE_SETTINGS, STEP_SETTINGS } from "../line/shared_options.ts";

interface ApplyCommandOptions {
  readonly ids: readonly string[];
  readonly yes: boolean;
  readonly rerun: boolean;
  readonly plan: string | undefined;
  readonly skipInvalid: boolean;
  readonly noPrepared: boolean;
}

/** Applies what is pending. */
export const applyCommand: Command = defineCommand(
  {
    path: "migrate apply",
    summary: "Apply what is pending: SQL first, then Redis, in version order",
    details: [
      "Safe to run before every start: with nothing pending it takes no lock and ends at once. Pods that start together wait " +
      "for each other. Interrupted or killed, run it again: it continues where it was.",
    ],
    examples: [
      { command: "outpost migrate apply", does: "show the plan, ask, apply" },
      { command: "outpost migrate apply --yes", does: "without a question, for scripts" },
      { command: "outpost migrate apply redis/002_timestamps", does: "one migration" },
      { command: "outpost migrate apply --plan plan.json", does: "exactly a saved plan, or nothing" },
      { command: "outpost migrate apply --yes --max-rate 2000", does: "gently, on a busy Redis" },
    ],
    arguments: [{
      name: "[id...]",
      description: "Migrations, for example sql/5 or 002_timestamps",
      completes: "migration",
    }],
    flags: [
      { flags: "-y, --yes", description: "Do not ask" },
      { flags: "--all", description: "Everything that is pending, which is the default" },
      { flags: "--rerun", description: "Run named Redis migrations again although they are applied" },
      { flags: "--plan <FILE>", description: "Apply exactly the saved plan, or refuse with exit status 5" },
      {
        flags: "--skip-invalid",
        description: "Accept records that cannot be converted: leave them as they are, note them, finish",
      },
      { flags: "--no-prepared", description: "Take away what is prepared first, and do all of the work now" },
    ],
    settings: [...LOCK_SETTINGS, ...PACE_SETTINGS, ...STEP_SETTINGS],
  },
  read,
  run,
);

function read(input: CommandInput): ApplyCommandOptions {
  const ids = input.args;
  const plan = input.text("plan");
  const rerun = input.has("rerun");
  if (input.has("all") && ids.length > 0) throw contradiction("--all", "the IDs named");
  if (plan !== undefined && ids.length > 0) throw contradiction("--plan", "the IDs named");
  if (plan !== undefined && input.has("all")) throw contradiction("--plan", "--all");
  if (plan !== undefined && rerun) throw contradiction("--plan", "--rerun");
  if (rerun && ids.length === 0) {
    throw new UsageError("--rerun needs the IDs of the Redis migrations to run again", {
      hint: "For example: outpost migrate apply redis/002_timestamps --rerun",
    });
  }
  return {
    ids,
    yes: input.has("yes"),
    rerun,
    plan,
    skipInvalid: input.has("skip-invalid"),
    noPrepared: input.has("no-prepared"),
  };
}

function contradiction(one: string, other: string): UsageError {
  return new UsageError(`${one} and ${other} contradict each other`, { hint: "Leave one of them away" });
}

async function run(context: Context, options: ApplyCommandOptions): Promise<number> {
  const events = new ApplyReport(context);
  try {
    const saved = options.plan === undefined ? undefined : await readPlanFile(options.plan);
    await using open = await context.openEngine();
    const ids = options.ids.map((id) => open.engine.resolve(id));
    if (options.rerun) assertRedis(ids);
    const plan = options.yes ? saved : await agreed(context, open.engine, { ...options, ids }, saved);
    if (plan === null) return EXIT.done;
    const result = await open.engine.apply({
      ...lockOptions(context),
      ...paceOf(context),
      ids,
      rerun: options.rerun,
      skipInvalid: options.skipInvalid,
      noPrepared: options.noPrepared,
      plan,
      justShown: !options.yes,
      onEvent: (event) => events.take(event),
    });
    if (result.results.length === 0) await tellNothing(context, open.engine, result.doneByOther);
    else if (context.output.json) context.output.object(applySummaryJson(result.results));
    else context.output.text(renderOutcome(context, result.results));
    return EXIT.done;
  } catch (error) {
    events.stop();
    const results = error instanceof ApplyError ? error.results : events.results;
    if (context.output.json) {
      const described = describeError(error, {
        scrub: context.scrub,
        stoppedBy: context.host.stoppedBy(),
        carried: context.carried,
        whereIs: (store) => storePlace(store, context.resolved),
      });
      context.output.object(applySummaryJson(results, errorJson(described).error));
      return described.exitStatus;
    }
    if (results.length > 0) {
      const account = renderResults(withoutReason(results, error), context.output.layout);
      context.output.text(context.scrub(account));
    }
    throw error;
  }
}

/** The account without the reason of the failure, which follows as the error. */
function withoutReason(results: readonly MigrationResult[], error: unknown): readonly MigrationResult[] {
  const told = error instanceof ApplyError && error.cause !== undefined;
  return results.map((result) => told && result.outcome === "failed" ? { ...result, issues: [] } : result);
}

function assertRedis(ids: readonly string[]): void {
  const other = ids.find((id) => !id.startsWith("redis/"));
  if (other === undefined) return;
  throw new UsageError(`--rerun cannot run ${other} again: SQL steps run once`, {
    hint: "Name Redis migrations alone; to take SQL steps back, see outpost migrate down --help",
  });
}

/** Shows the plan and asks. @returns What was agreed to, which is what runs; null when there is nothing to ask about. */
async function agreed(
  context: Context,
  engine: Engine,
  { ids, rerun, noPrepared, plan: file }: ApplyCommandOptions,
  saved: SavedPlan | undefined,
): Promise<SavedPlan | null> {
  const { output, host } = context;
  const words = [
    "apply",
    ...ids,
    ...(rerun ? ["--rerun"] : []),
    ...(noPrepared ? ["--no-prepared"] : []),
    ...(file ? [`--plan ${file}`] : []),
  ];
  const question = (count: number, where: string): Question => ({
    text: `Apply ${formatCounted(count, "migration")}${where}?`,
    instead: [...words, "--yes"].join(" "),
  });
  const pending = await countPending(context, engine, saved?.basis.selected ?? ids, rerun);
  if (pending > 0) {
    // Before the records are counted, which may take minutes: whoever cannot answer learns it at once.
    assertCanAsk({ host, json: output.json }, question(pending, ""));
    context.progress.busy("Counting what would change ...");
  }
  const started = host.now().getTime();
  const plan = pending === 0 && saved === undefined
    ? null
    : await context.reading(engine.plan({ ids, rerun, noPrepared, saved, signal: context.signal }));
  if (plan === null || !plan.hasChanges) {
    await tellNothing(context, engine, false);
    return null;
  }
  const countedMs = host.now().getTime() - started;
  output.text(
    renderPlan(plan, output.layout, { statements: false, countedMs, maxRate: context.settings.maxRate }),
  );
  if (plan.blockers.length > 0) throw refusalFor("apply", plan.blockers);
  const { deployment, selected } = plan.basis;
  const where = ` to ${placesText(concerned(plan.stores, selected), deployment)}`;
  if (await context.confirm(question(selected.length, where))) return plan;
  throw new DeclinedError("Nothing was applied: the answer was no");
}

/** How many migrations there are to ask about, from the bookkeeping alone. */
async function countPending(
  context: Context,
  engine: Engine,
  ids: readonly string[],
  rerun: boolean,
): Promise<number> {
  const { migrations } = await context.reading(engine.list());
  const named = migrations.filter(({ id }) => ids.length === 0 || ids.includes(id));
  return named.filter(({ status, store }) =>
    (status !== "applied" && status !== "not_applicable") ||
    (rerun && store === "redis" && status === "applied")
  ).length;
}

function renderOutcome(context: Context, results: readonly MigrationResult[]): string {
  const { layout } = context.output;
  const done = renderDone(results, layout);
  // Where each result was shown as it came, on the same screen, the table would say it all again.
  return context.progress.live && context.host.stdout.terminal
    ? done
    : `${renderResults(results, layout)}\n\n${done}`;
}

/** Says that there was nothing to do, and what is: other migrations may be pending beside those that were named. */
async function tellNothing(context: Context, engine: Engine, doneByOther: boolean): Promise<void> {
  const { output, settings } = context;
  if (output.json) return output.object(applySummaryJson([]));
  const { pending } = await context.reading(engine.list());
  const others = pending.sql + pending.redis > 0;
  const text = doneByOther
    ? "Nothing left to do: another process applied it meanwhile."
    : others
    ? "Nothing to do: what was named is applied."
    : "Nothing to do: no migration is pending.";
  output.text(
    `${output.layout.style.green(text)}\n${
      nextWhenDone(output.layout, { pending: others, partial: settings.only !== null })
    }`,
  );
}
