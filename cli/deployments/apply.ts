/**
 * `outpost migrate apply` for several deployments: what all share first, then every deployment at once.
 *
 * @module
 */

import type { ApplyEvent, ApplyOptions } from "../../engine/apply.ts";
import type { Engine } from "../../engine/engine.ts";
import type { MigrationResult } from "../../engine/migration.ts";
import type { Plan } from "../../engine/plan.ts";
import { refusalFor } from "../../engine/refusal.ts";
import type { Context } from "../context.ts";
import { DeclinedError, UsageError } from "../errors.ts";
import { type Asked, assertRerunnable, commandOf, exceptionText } from "../migrate/agree.ts";
import { lockOptions, paceOf } from "../migrate/lock_options.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import { applyEventJson, applySummaryJson } from "../output/json.ts";
import { renderResults, resultSentence } from "../render/apply.ts";
import { invalidRecords } from "../render/invalid.ts";
import { concerned, placesText, placeText } from "../render/place.ts";
import {
  type Account,
  askAll,
  askOne,
  chooseBy,
  type ChosenFleet,
  fleetSentence,
  shownName,
} from "./accounts.ts";
import { planTelling } from "./plan.ts";
import { reportAll, tableOf, type Telling } from "./report.ts";

/** What it is told on the command line. */
interface ApplyManyOptions extends Asked {
  readonly yes: boolean;
}

/** What a person was shown of each. */
type Plans = ReadonlyMap<string | null, Account<Plan>>;

/** Applies. @returns The exit status. */
export async function applyToMany(context: Context, options: ApplyManyOptions): Promise<number> {
  const { output, log } = context;
  if (options.plan !== undefined) {
    throw new UsageError("A saved plan is that of one deployment, and several are meant", {
      hint:
        "Leave --plan away, or name the deployment that it was made for: --deployment-id ID --no-all-deployments",
    });
  }
  const question = (what: string): Question => ({ text: `Apply ${what}?`, instead: commandOf(options) });
  if (!options.yes) {
    assertCanAsk({ host: context.host, json: output.json }, question("to several deployments"));
  }
  await using open = await context.openFleet();
  const chosen = chooseBy(open.fleet, options.ids);
  if (options.rerun) assertRerunnable(chosen.ids);
  const plans = options.yes ? null : await agreed(context, chosen, options, question);
  log.info(`Applying to ${fleetSentence(open.fleet)}`, {
    event: "begin",
    deployments: [...open.fleet.engines.keys()],
  });
  const shared = { ...lockOptions(context), ...paceOf(context) };
  const ended: Ended = new Map();
  let done = 0;
  const apply = async (engine: Engine, name: string | null): Promise<readonly MigrationResult[] | null> => {
    const shown = plans?.get(name);
    if (shown?.ok === false) throw shown.error;
    const plan = shown?.value;
    if (plan?.hasChanges === false) return [];
    const { results } = await engine.apply(
      {
        ...shared,
        ids: chosen.idsOf(engine),
        rerun: options.rerun,
        skipInvalid: options.skipInvalid,
        noPrepared: options.noPrepared,
        plan,
        justShown: plan !== undefined,
        onEvent: (event) => tell(context, name, event, ended),
      } satisfies ApplyOptions,
    );
    if (name !== null) {
      context.progress.say(`Done with ${formatCounted(++done, "deployment")} of ${open.fleet.engines.size}`);
    }
    return results;
  };
  const first = chosen.shared === null ? [] : [await askOne(chosen.shared, apply)];
  // As with one deployment: where SQL could not be done, nothing of Redis is begun.
  const others = first.every(({ ok }) => ok)
    ? await chosen.each(apply)
    : [...open.fleet.engines.keys()].map((name) => ({ name, ok: true as const, value: null }));
  context.progress.clear();
  return reportAll(context, [...first, ...others], telling(ended));
}

/** Shows what each would do, and asks once, where anything can be done. @returns What each was shown, or why it cannot be done. */
async function agreed(
  context: Context,
  chosen: ChosenFleet,
  { rerun, noPrepared, skipInvalid }: ApplyManyOptions,
  question: (what: string) => Question,
): Promise<Plans> {
  context.progress.busy("Counting what would change ...");
  const { signal } = context;
  const accounts = await context.reading(
    askAll(chosen, (engine) => engine.plan({ ids: chosen.idsOf(engine), rerun, noPrepared, signal })),
  );
  context.output.text(tableOf(context, accounts, planTelling({ check: false })).join("\n"));
  const shown = new Map(accounts.map((account) => [account.name, unlessInTheWay(account)]));
  if (shown.get(null)?.ok === false) return shown; // Then nothing is begun.
  const plans = [...shown.values()].flatMap((account) =>
    account.ok && account.value.hasChanges ? [account.value] : []
  );
  if (plans.length === 0) return shown;
  const count = plans.reduce((sum, { basis }) => sum + basis.selected.length, 0);
  const stores = plans.flatMap((plan) => concerned(plan.stores, plan.basis.selected));
  const places = [...new Map(stores.map((place) => [placeText(place), place])).values()];
  const where = plans.length === 1 ? "one deployment" : formatCounted(plans.length, "deployment");
  const invalid = plans.reduce((sum, plan) => sum + invalidRecords(plan).count, 0);
  const text = `${formatCounted(count, "migration")} to ${where} in ${placesText(places, "")}${
    exceptionText(invalid, skipInvalid)
  }`;
  if (await context.confirm(question(text))) return shown;
  throw new DeclinedError("Nothing was applied: the answer was no");
}

/** What stands in the way of a plan is why it cannot be done. */
function unlessInTheWay(account: Account<Plan>): Account<Plan> {
  if (!account.ok || account.value.blockers.length === 0) return account;
  return { name: account.name, ok: false, error: refusalFor("apply", account.value.blockers) };
}

/** What came of each so far. */
type Ended = Map<string | null, MigrationResult[]>;

/** Says of each deployment what it begins and ends: how far a thousand of them are nobody could follow. */
function tell(context: Context, name: string | null, event: ApplyEvent, ended: Ended): void {
  if (event.event === "done" || event.event === "failed") {
    const { result } = event;
    ended.set(name, [...ended.get(name) ?? [], result]);
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

function telling(ended: Ended): Telling<readonly MigrationResult[] | null> {
  const resultsOf = (account: Account<readonly MigrationResult[] | null>) =>
    account.ok ? account.value ?? [] : ended.get(account.name) ?? [];
  const json = (results: readonly MigrationResult[]) => {
    const { applied, failed } = applySummaryJson(results);
    return { applied, failed };
  };
  return {
    more: { event: "summary" },
    isDone: (results) => results !== null,
    words: ["are done", "are not done"],
    next: { failed: "migrate plan", others: "migrate apply", done: "migrate verify" },
    json: (results) => ({ ok: results !== null, ...json(results ?? []) }),
    failureJson: (_error, name) => ({ ok: false, ...json(ended.get(name) ?? []) }),
    named: (account) =>
      resultsOf(account).flatMap(({ id, issues }) => issues.map((issue) => `${id}: ${issue}`)),
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
