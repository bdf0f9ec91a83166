/**
 * `outpost migrate apply` for several deployments: what all share first, then every deployment at once.
 *
 * @module
 */

import type { ApplyEvent, ApplyOptions } from "../../engine/apply.ts";
import type { Engine } from "../../engine/engine.ts";
import type { MigrationResult } from "../../engine/migration.ts";
import type { Plan } from "../../engine/plan.ts";
import type { Context } from "../context.ts";
import { DeclinedError, UsageError } from "../errors.ts";
import { lockOptions, paceOf } from "../migrate/lock_options.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import { applyEventJson, applySummaryJson } from "../output/json.ts";
import { renderResults, resultSentence } from "../render/apply.ts";
import { concerned, placesText, placeText } from "../render/place.ts";
import { askAll, askOne, chooseBy, type ChosenFleet, fleetSentence, shownName } from "./accounts.ts";
import { planTelling } from "./plan.ts";
import { reportAll, tableOf, type Telling } from "./report.ts";

/** What it is told on the command line. */
interface ApplyManyOptions {
  readonly ids: readonly string[];
  readonly yes: boolean;
  readonly rerun: boolean;
  readonly plan: string | undefined;
  readonly skipInvalid: boolean;
  readonly noPrepared: boolean;
}

/** Applies. @returns The exit status. */
export async function applyToMany(context: Context, options: ApplyManyOptions): Promise<number> {
  const { output, log } = context;
  if (options.plan !== undefined) {
    throw new UsageError("A saved plan is that of one deployment, and several are meant", {
      hint: "Leave --plan away, or name the deployment that it was made for",
    });
  }
  const question = (what: string): Question => ({
    text: `Apply ${what}?`,
    instead: ["apply", ...options.ids, ...(options.rerun ? ["--rerun"] : []), "--yes"].join(" "),
  });
  if (!options.yes) {
    assertCanAsk({ host: context.host, json: output.json }, question("to several deployments"));
  }
  await using open = await context.openFleet();
  const chosen = chooseBy(open.fleet, options.ids);
  const plans = options.yes ? null : await agreed(context, chosen, options, question);
  log.info(`Applying to ${fleetSentence(open.fleet)}`, {
    event: "begin",
    deployments: [...open.fleet.engines.keys()],
  });
  const shared = { ...lockOptions(context), ...paceOf(context) };
  let done = 0;
  const apply = async (engine: Engine, name: string | null): Promise<readonly MigrationResult[] | null> => {
    const plan = plans?.get(name);
    if (plans !== null && plan === undefined) return [];
    const { results } = await engine.apply(
      {
        ...shared,
        ids: chosen.idsOf(engine),
        rerun: options.rerun,
        skipInvalid: options.skipInvalid,
        noPrepared: options.noPrepared,
        plan,
        justShown: plan !== undefined,
        onEvent: (event) => tell(context, name, event),
      } satisfies ApplyOptions,
    );
    context.progress.say(`Done with ${formatCounted(++done, "deployment")} of ${open.fleet.engines.size}`);
    return results;
  };
  const first = chosen.shared === null ? [] : [await askOne(chosen.shared, apply)];
  // As with one deployment: where SQL could not be done, nothing of Redis is begun.
  const others = first.every(({ ok }) => ok)
    ? await chosen.each(apply)
    : [...open.fleet.engines.keys()].map((name) => ({ name, ok: true as const, value: null }));
  context.progress.clear();
  return reportAll(context, [...first, ...others], telling());
}

/** Shows what each would do, and asks once. @returns The plans of those that have something to do. */
async function agreed(
  context: Context,
  chosen: ChosenFleet,
  { rerun, noPrepared }: ApplyManyOptions,
  question: (what: string) => Question,
): Promise<ReadonlyMap<string | null, Plan>> {
  context.progress.busy("Counting what would change ...");
  const { signal } = context;
  const accounts = await context.reading(
    askAll(chosen, (engine) => engine.plan({ ids: chosen.idsOf(engine), rerun, noPrepared, signal })),
  );
  context.output.text(tableOf(context, accounts, planTelling({ check: false })).join("\n"));
  const plans = new Map(
    accounts.flatMap((account) =>
      account.ok && account.value.hasChanges ? [[account.name, account.value] as const] : []
    ),
  );
  if (plans.size === 0) return plans;
  const count = [...plans.values()].reduce((sum, { basis }) => sum + basis.selected.length, 0);
  const stores = [...plans.values()].flatMap((plan) => concerned(plan.stores, plan.basis.selected));
  const places = [...new Map(stores.map((place) => [placeText(place), place])).values()];
  const where = plans.size === 1 ? "one deployment" : formatCounted(plans.size, "deployment");
  const text = `${formatCounted(count, "migration")} to ${where} in ${placesText(places, "")}`;
  if (await context.confirm(question(text))) return plans;
  throw new DeclinedError("Nothing was applied: the answer was no");
}

/** Says of each deployment what it begins and ends: how far a thousand of them are nobody could follow. */
function tell(context: Context, name: string | null, event: ApplyEvent): void {
  if (event.event === "done" || event.event === "failed") {
    const { result } = event;
    const fields = {
      event: event.event,
      deployment: name,
      migration: result.id,
      processed: result.processed,
    };
    context.log.info(`${shownName(name)}: ${resultSentence(result)}`, fields);
  }
  if (!context.output.json || event.event === "progress" || event.event === "statement") return;
  const line = applyEventJson(event, 0);
  if (line !== null) context.output.object({ deployment_id: name, ...line });
}

function telling(): Telling<readonly MigrationResult[] | null> {
  return {
    more: { event: "summary" },
    isDone: (results) => results !== null,
    words: ["are done", "are not done"],
    next: { failed: "migrate plan", others: "migrate apply", done: "migrate verify" },
    json: (results) => {
      const { applied, failed } = applySummaryJson(results ?? []);
      return { ok: results !== null, applied, failed };
    },
    line: (results, { style }) => {
      if (results === null) return style.dim("not run: what all share could not be done");
      if (results.length === 0) return "nothing to do";
      const records = results.reduce((sum, { processed }) => sum + processed, 0);
      return style.green(
        `applied ${results.map(({ id }) => id).join(", ")}: ${formatCount(records)} records`,
      );
    },
    text: (results, layout) =>
      results === null || results.length === 0 ? "nothing done" : renderResults(results, layout),
    status: () => EXIT.done,
  };
}
