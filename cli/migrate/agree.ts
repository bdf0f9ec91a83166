/**
 * What `outpost migrate apply` may do: what a person agrees to, or what a saved plan holds. Where a plan is made, records that cannot
 * be converted are named before anything is changed.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import { presentStores, storeTitle } from "../../engine/migration.ts";
import { refusalFor } from "../../engine/refusal.ts";
import type { SavedPlan } from "../../engine/saved_plan.ts";
import type { Context } from "../context.ts";
import { DeclinedError, InvalidRecordsError, UsageError } from "../errors.ts";
import { quoted } from "../line/carried_flags.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import { formatCounted } from "../output/format.ts";
import { applySummaryJson } from "../output/json.ts";
import { nextWhenDone } from "../output/output.ts";
import { invalidRecords } from "../render/invalid.ts";
import { renderPlan } from "../render/plan.ts";
import { concerned, placesText } from "../render/place.ts";

/** What was asked for on the command line. */
export interface Asked {
  readonly ids: readonly string[];
  readonly rerun: boolean;
  /** The file of a saved plan. */
  readonly plan: string | undefined;
  readonly skipInvalid: boolean;
  readonly noPrepared: boolean;
}

/** Shows the plan and asks. @returns What was agreed to, which is what runs; null when there is nothing to ask about. */
export async function agreed(
  context: Context,
  engine: Engine,
  asked: Asked,
  saved: SavedPlan | undefined,
): Promise<SavedPlan | null> {
  const { output, host } = context;
  const { ids, rerun, noPrepared, skipInvalid } = asked;
  const question = (text: string): Question => ({ text, instead: commandOf(asked) });
  const pending = await countPending(context, engine, saved?.basis.selected ?? ids, rerun);
  if (pending > 0) {
    // Before the records are counted, which may take minutes: whoever cannot answer learns it at once.
    assertCanAsk({ host, json: output.json }, question(`Apply ${formatCounted(pending, "migration")}?`));
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
  const where = placesText(concerned(plan.stores, selected), deployment);
  const but = exceptionText(invalidRecords(plan).count, skipInvalid);
  const text = `Apply ${formatCounted(selected.length, "migration")} to ${where}${but}?`;
  if (await context.confirm(question(text))) return plan;
  throw new DeclinedError("Nothing was applied: the answer was no");
}

/** What a question says of records that cannot be converted. */
export function exceptionText(count: number, skipInvalid: boolean): string {
  const how = skipInvalid ? "leaving as they are" : "all but";
  return count === 0 ? "" : `, ${how} ${formatCounted(count, "record")} that cannot be converted`;
}

/** @throws {UsageError} When steps of SQL were named to be run again. */
export function assertRerunnable(ids: readonly string[]): void {
  const other = ids.find((id) => !id.startsWith("redis/"));
  if (other === undefined) return;
  throw new UsageError(`--rerun cannot run ${other} again: SQL steps run once`, {
    hint: "Name Redis migrations alone; to take SQL steps back, see outpost migrate down --help",
  });
}

/**
 * Looks at the records that a saved plan is for, where nobody is asked. Without one no look is taken: what can be done is done, and the
 * rest is named then.
 *
 * @returns The saved plan.
 * @throws {InvalidRecordsError} When some cannot be converted and that is not accepted. Nothing was changed.
 */
export async function acceptable(
  context: Context,
  engine: Engine,
  asked: Asked,
  saved: SavedPlan | undefined,
): Promise<SavedPlan | undefined> {
  const inRedis = saved?.basis.selected.some((id) => id.startsWith("redis/")) === true;
  if (!inRedis || asked.skipInvalid) return saved;
  context.progress.busy("Looking for records that cannot be converted ...");
  const plan = await context.reading(engine.plan({ saved, signal: context.signal }));
  context.progress.clear();
  const { count, lines } = invalidRecords(plan);
  if (count > 0) throw new InvalidRecordsError(count, lines, commandOf(asked));
  return saved;
}

/** The command that does without a question what was asked for. */
export function commandOf({ ids, rerun, noPrepared, plan, skipInvalid }: Asked): string {
  return [
    "apply",
    ...ids,
    ...(rerun ? ["--rerun"] : []),
    ...(noPrepared ? ["--no-prepared"] : []),
    ...(plan === undefined ? [] : [`--plan ${quoted(plan)}`]),
    ...(skipInvalid ? ["--skip-invalid"] : []),
    "--yes",
  ].join(" ");
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

/**
 * Says that there was nothing to do, and what is: other migrations may be pending beside those that were named, and the steps that
 * are said to be applied may not be what this program knows.
 */
export async function tellNothing(context: Context, engine: Engine, doneByOther: boolean): Promise<void> {
  const { log, output } = context;
  const status = await context.reading(engine.status());
  for (const [store, { drift }] of presentStores(status)) {
    for (const found of drift) log.warn(`${storeTitle(store)}: ${found}`, { event: "drift" });
  }
  if (output.json) return output.object(applySummaryJson([]));
  const { pending } = status;
  const others = pending.sql + pending.redis > 0;
  const text = doneByOther
    ? "Nothing left to do: another process applied it meanwhile."
    : others
    ? "Nothing to do: what was named is applied."
    : "Nothing to do: no migration is pending.";
  const next = nextWhenDone(output.layout, { pending: others, adoptable: status.redis?.adoptable });
  output.text(`${output.layout.style.green(text)}\n${next}`);
}
