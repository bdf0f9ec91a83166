/**
 * `outpost migrate plan`
 *
 * @module
 */

import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { refuseForMany } from "../deployments/many.ts";
import { planTelling } from "../deployments/plan.ts";
import { readAll } from "../deployments/reading.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { planPage } from "../html/plan_page.ts";
import { planJson } from "../output/json.ts";
import { fencedMarkdown } from "../render/markdown.ts";
import { nextAfterPlan, renderPlan } from "../render/plan.ts";
import { type PlanToTell, planToTell } from "./plan_to_tell.ts";
import { makeStyle } from "../output/style.ts";
import { writePlanFile } from "../plan_file/plan_file.ts";
import { writeFile } from "../output/write_file.ts";

/** No colours: what is written as Markdown may be seen on a terminal, but is meant for elsewhere. */
const PLAIN = makeStyle({ colours: false });

interface PlanCommandOptions {
  readonly ids: readonly string[];
  readonly out: string | undefined;
  readonly html: string | undefined;
  readonly statements: boolean;
  readonly check: boolean;
  readonly markdown: boolean;
}

/** What apply would change. */
export const planCommand: Command = defineCommand(
  {
    path: "migrate plan",
    summary: "Show what apply would change: counts, SQL, table sizes and locks, examples",
    details: [
      "Reads only. Redis records are counted by scanning; migrations that build on each other are planned as they will run.",
    ],
    examples: [
      { command: "outpost migrate plan", does: "everything that is pending" },
      { command: "outpost migrate plan sql/5 --sql", does: "one step, its statements in full" },
      { command: "outpost migrate plan --out plan.json", does: "save it, to apply exactly this later" },
      { command: "outpost migrate plan --html plan.html", does: "a page for the change ticket" },
      { command: "outpost migrate plan --markdown", does: "for a comment on a pull request" },
      { command: "outpost migrate plan --check", does: "exit 1 when anything is pending" },
    ],
    arguments: [{
      name: "[id...]",
      description: "Migrations, for example sql/5 or 002_timestamps",
      completes: "migration",
    }],
    flags: [
      { flags: "--out <FILE>", description: "Save the plan with its digest, for apply --plan" },
      { flags: "--html <FILE>", description: "Write the plan as one self-contained page" },
      { flags: "--sql", description: "Show the statements in full" },
      { flags: "--check", description: "Exit 1 when anything is pending" },
      { flags: "--markdown", description: "As Markdown, for a pull request or a change ticket" },
    ],
    settings: ["maxRate"],
  },
  read,
  run,
  (context, { ids, out, html, markdown, check, statements }) => {
    refuseForMany("--out", out);
    refuseForMany("--html", html);
    refuseForMany("--markdown", markdown ? "" : undefined);
    return readAll(context, {
      ...planTelling({ check, statements }),
      ids,
      busy: "Counting what would change ...",
      ask: (engine, ids) => planToTell(engine, { ids, signal: context.signal }),
    });
  },
);

function read(input: CommandInput): PlanCommandOptions {
  if (input.has("markdown") && input.has("json")) {
    throw new UsageError("--markdown and --json contradict each other", { hint: "Pass one of them" });
  }
  return {
    ids: input.args,
    out: input.text("out"),
    html: input.text("html"),
    statements: input.has("sql"),
    check: input.has("check"),
    markdown: input.has("markdown"),
  };
}

async function run(context: Context, options: PlanCommandOptions): Promise<number> {
  const started = context.host.now();
  const plan = await makePlan(context, options.ids);
  const created = context.host.now();
  const countedMs = created.getTime() - started.getTime();
  const { maxRate } = context.settings;
  if (options.out !== undefined) await writePlanFile(options.out, plan, created);
  if (options.html !== undefined) {
    await writeFile(
      options.html,
      planPage(context.clean(plan), { created, deployment: context.settings.deploymentId }),
    );
  }
  context.output.result(planJson(plan), (layout) => {
    const shown = { ...layout, style: options.markdown ? PLAIN : layout.style };
    const text = renderPlan(plan, shown, { statements: options.statements, countedMs, maxRate });
    const below = [
      ...(options.out === undefined ? [] : [`Saved as ${options.out}, digest ${plan.digest.slice(0, 12)}.`]),
      ...(options.html === undefined ? [] : [`Written as a page to ${options.html}.`]),
      nextAfterPlan(plan, shown, { ids: options.ids, file: options.out }),
    ].join("\n");
    return options.markdown ? fencedMarkdown("outpost migrate plan", text, below) : `${text}\n\n${below}`;
  });
  return options.check && plan.hasChanges ? EXIT.failed : EXIT.done;
}

async function makePlan(context: Context, ids: readonly string[]): Promise<PlanToTell> {
  await using open = await context.openEngine();
  const resolved = ids.map((id) => open.engine.resolve(id));
  context.progress.busy("Counting what would change ...");
  return await context.reading(planToTell(open.engine, { ids: resolved, signal: context.signal }));
}
