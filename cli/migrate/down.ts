/**
 * `outpost migrate down`
 *
 * @module
 */

import type { SqlDownPlan } from "../../engine/backend.ts";
import type { SqlStoreName } from "../../engine/migration.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCounted } from "../output/format.ts";
import { downJson } from "../output/json.ts";
import { lockOptions } from "./lock_options.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { LOCK_SETTINGS, STEP_SETTINGS } from "../line/shared_options.ts";
import { chooseSqlStore, readStore, STORE_FLAG } from "../stores/choose.ts";
import { wrap } from "../output/table.ts";
import { readWholeNumber } from "../line/whole_number.ts";

interface DownCommandOptions {
  readonly steps: number;
  readonly yes: boolean;
  readonly store: SqlStoreName | undefined;
}

/** Takes SQL steps back. */
export const downCommand: Command = defineCommand(
  {
    path: "migrate down",
    summary: "Take back the last N SQL steps",
    details: [
      "Restores the schema of the version before, in one transaction for each step. Where rows or values cannot come back, it " +
      "says so first. Redis migrations are not taken back: their originals stay until cleanup.",
    ],
    examples: [
      { command: "outpost migrate down 1", does: "show what it costs, ask, take back the newest step" },
      { command: "outpost migrate down 2 --yes", does: "two steps, without a question" },
    ],
    arguments: [{ name: "<n>", description: "How many steps" }],
    flags: [{ flags: "-y, --yes", description: "Do not ask" }, STORE_FLAG],
    settings: [...LOCK_SETTINGS, ...STEP_SETTINGS],
  },
  read,
  run,
);

function read(input: CommandInput): DownCommandOptions {
  return {
    steps: readWholeNumber("N", input.args[0] ?? "", { min: 1 }),
    yes: input.has("yes"),
    store: readStore(input.text("store")),
  };
}

async function run(context: Context, { steps, yes, store: named }: DownCommandOptions): Promise<number> {
  const instead = `outpost migrate down ${steps} --yes`;
  const question: Question = { text: `Take back the last ${formatCounted(steps, "SQL step")}?`, instead };
  await using open = await context.openEngine({ sides: "sql" });
  const store = chooseSqlStore(context.settings, named);
  if (!yes) assertCanAsk({ host: context.host, json: context.output.json }, question);
  const plan = await context.reading(open.engine.planDown(steps, { store }));
  if (plan.steps.length === 0) {
    context.output.result(
      downJson([]),
      ({ style }) => style.green("Nothing to take back: no SQL step is applied."),
    );
    return EXIT.done;
  }
  context.output.text(renderDownPlan(plan, context.output.layout));
  for (const warning of context.output.json ? plan.warnings : []) {
    context.log.warn(warning, { event: "loss" });
  }
  if (
    !yes &&
    !await context.confirm({ ...question, text: `Take back ${plan.steps.map(({ id }) => id).join(", ")}?` })
  ) {
    throw new DeclinedError("Nothing was taken back: the answer was no");
  }
  const taken = await open.engine.down(plan.steps.length, { ...lockOptions(context), store });
  context.output.result(downJson(taken), ({ style }) =>
    [
      style.green(`Took back ${taken.join(", ")}.`),
      nextCommand(style, "outpost migrate status", "the database is now behind this program"),
    ].join("\n"));
  return EXIT.done;
}

function renderDownPlan({ steps, warnings }: SqlDownPlan, { style, width }: Layout): string {
  return [
    style.bold(`Takes back ${formatCounted(steps.length, "SQL step")}, the newest first:`),
    ...steps.map(({ id, name }) => `  ${style.cyan(id)}  ${name}`),
    ...warnings.map((warning) => wrap(`  ${style.red("!")} ${warning}`, width, "    ")),
    "",
  ].join("\n");
}
