/**
 * `outpost migrate down`
 *
 * @module
 */

import type { DownTarget, SqlDownPlan } from "../../engine/sql/sql_plan.ts";
import type { SqlStoreName } from "../../engine/migration.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError, UsageError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCounted } from "../output/format.ts";
import { downJson } from "../output/json.ts";
import { lockOptions, tellRetry } from "./lock_options.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { LOCK_SETTINGS, STEP_SETTINGS } from "../line/shared_options.ts";
import { chooseSqlStore, readStore, STORE_FLAG } from "../stores/choose.ts";
import { wrap } from "../output/table.ts";
import { readWholeNumber } from "../line/whole_number.ts";
import { readStepVersion } from "./step_version.ts";

interface DownCommandOptions {
  readonly target: DownTarget;
  readonly yes: boolean;
  readonly store: SqlStoreName | undefined;
}

/** Takes SQL steps back. */
export const downCommand: Command = defineCommand(
  {
    path: "migrate down",
    summary: "Take back the last N SQL steps, or all down to a version",
    details: [
      "Restores the schema of the version before, in one transaction for each step. Where rows or values cannot come back, it " +
      "says so first. Redis migrations are not taken back: their originals stay until cleanup.",
      "What was shown is what is taken back: when the database has moved since, nothing is done and the exit status is 5. After an " +
      "interruption use --to, which does no more the second time.",
    ],
    examples: [
      { command: "outpost migrate down 1", does: "show what it costs, ask, take back the newest step" },
      { command: "outpost migrate down 2 --yes", does: "two steps, without a question" },
      { command: "outpost migrate down --to 8", does: "everything above version 8" },
    ],
    arguments: [{ name: "[n]", description: "How many steps" }],
    flags: [{ flags: "--to <VERSION>", description: "Down to this version, 0 for none" }, {
      flags: "-y, --yes",
      description: "Do not ask",
    }, STORE_FLAG],
    settings: [...LOCK_SETTINGS, ...STEP_SETTINGS],
  },
  read,
  run,
);

function read(input: CommandInput): DownCommandOptions {
  const [count] = input.args;
  const version = input.text("to");
  if ((count === undefined) === (version === undefined)) {
    throw new UsageError(
      count === undefined
        ? "Say how far: a number of steps, or --to VERSION"
        : "N and --to contradict each other",
      { hint: "For example: outpost migrate down 1" },
    );
  }
  const yes = input.has("yes");
  const store = readStore(input.text("store"));
  if (version === undefined) return { target: readWholeNumber("N", count!, { min: 1 }), yes, store };
  const to = readStepVersion("--to", version);
  return { target: { to: to.version }, yes, store: store ?? to.store };
}

async function run(context: Context, { target, yes, store: named }: DownCommandOptions): Promise<number> {
  const how = typeof target === "number" ? String(target) : `--to ${target.to}`;
  const instead = `down ${how}${named === undefined ? "" : ` --store ${named}`} --yes`;
  const question: Question = {
    text: typeof target === "number"
      ? `Take back the last ${target === 1 ? "SQL step" : formatCounted(target, "SQL step")}?`
      : `Take back all SQL steps above version ${target.to}?`,
    instead,
  };
  await using open = await context.openEngine({ sides: "sql" });
  const store = chooseSqlStore(context.settings, named);
  if (!yes) assertCanAsk({ host: context.host, json: context.output.json }, question);
  const plan = await context.reading(open.engine.planDown(target, { store }));
  if (plan.steps.length === 0) {
    context.output.result(
      downJson([]),
      ({ style }) => style.green(`Nothing to take back: the database is at version ${plan.from}.`),
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
  const taken = await open.engine.down({ to: plan.to }, {
    ...lockOptions(context),
    ...{ store, from: plan.from },
    onRetry: (retry) => tellRetry(context.log, retry),
  });
  context.output.result(downJson(taken), (layout) =>
    [
      layout.style.green(`Took back ${taken.join(", ")}.`),
      nextCommand(layout, "outpost migrate status", "the database is now behind this program"),
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
