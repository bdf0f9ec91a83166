/**
 * `outpost migrate apply`
 *
 * @module
 */

import { ApplyError } from "../../engine/errors.ts";
import { acceptable, agreed, type Asked, assertRerunnable, tellNothing } from "./agree.ts";
import { ApplyReport } from "./apply_report.ts";
import type { MigrationResult } from "../../engine/migration.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { applyToMany } from "../deployments/apply.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { applySummaryJson } from "../output/json.ts";
import { lockOptions, paceOf } from "./lock_options.ts";
import { type PlanFile, readPlanFile } from "../plan_file/plan_file.ts";
import { renderDone, renderResults } from "../render/apply.ts";
import { describeError, errorJson } from "../output/report_error.ts";
import { storePlace } from "../stores/place.ts";
import { LOCK_SETTINGS, PACE_SETTINGS, STEP_SETTINGS } from "../line/shared_options.ts";

interface ApplyCommandOptions extends Asked {
  readonly yes: boolean;
}

/** Applies what is pending. */
export const applyCommand: Command = defineCommand(
  {
    path: "migrate apply",
    summary: "Apply what is pending: SQL first, then Redis, in version order",
    details: [
      "Safe to run before every start: with nothing pending it takes no lock and ends at once. Pods that start together wait " +
      "for each other. Interrupted or killed, run it again: it continues where it was.",
      "Records that cannot be converted: a prompt names them before it asks; with --plan and --yes, nothing is changed while there are " +
      "any; --yes alone makes no look beforehand, does everything else, and ends with 1. --skip-invalid leaves them as they are.",
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
  applyToMany,
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
    if (options.rerun) assertRerunnable(ids);
    const asked = { ...options, ids };
    const plan = options.yes
      ? await acceptable(context, open.engine, asked, saved)
      : await agreed(context, open.engine, asked, saved);
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
    else {
      const named = ids.length > 0 || saved !== undefined && leavesOthers(saved);
      context.output.text(renderOutcome(context, result.results, { named }));
    }
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

/** True where a saved plan is for some of what was pending alone. */
function leavesOthers({ basis: { migrations, selected } }: PlanFile): boolean {
  return migrations.some(({ id, status }) =>
    status !== "applied" && status !== "not_applicable" && !selected.includes(id)
  );
}

/** The account without the reason of the failure, which follows as the error. */
function withoutReason(results: readonly MigrationResult[], error: unknown): readonly MigrationResult[] {
  const told = error instanceof ApplyError && error.cause !== undefined;
  return results.map((result) => told && result.outcome === "failed" ? { ...result, issues: [] } : result);
}

function renderOutcome(
  context: Context,
  results: readonly MigrationResult[],
  choice: { readonly named: boolean },
): string {
  const { layout } = context.output;
  const done = renderDone(results, layout, choice);
  // Where each result was shown as it came, on the same screen, the table would say it all again.
  return context.progress.live && context.host.stdout.terminal
    ? done
    : `${renderResults(results, layout)}\n\n${done}`;
}
