/**
 * A plan that reads like a change request: what, how much, how long, what locks, what cannot come back.
 *
 * @module
 */

import type { RedisMigrationPlan } from "../../engine/redis_backend.ts";
import { presentStores, storeTitle } from "../../engine/migration.ts";
import type { SqlPlan, SqlStepPlan } from "../../engine/sql/sql_plan.ts";
import { type Plan, PREPARED_BLOCKER } from "../../engine/plan.ts";
import type { PlanToTell } from "../migrate/plan_to_tell.ts";
import { quoted } from "../line/carried_flags.ts";
import { formatBytes, formatCount, formatCounted, formatDuration } from "../output/format.ts";
import { type Layout, nextCommand, nextWhenDone } from "../output/output.ts";
import { wayOut } from "../output/typed_command.ts";
import { estimates } from "./estimate.ts";
import { invalidRecords, renderInvalid } from "./invalid.ts";
import { concerned, placesText } from "./place.ts";
import { renderStep } from "./plan_step.ts";
import { preparedText } from "./prepared.ts";
import { wrap } from "../output/table.ts";

/** What is shown of a plan. */
export interface PlanView {
  /** The statements in full. */
  readonly statements: boolean;
  /** How long counting took, in milliseconds; null for a plan that was saved. */
  readonly countedMs: number | null;
  /** Redis records a second at most, or null for no limit. */
  readonly maxRate: number | null;
}

/** Renders `outpost migrate plan`, without the last line: who shows it knows what comes next. */
export function renderPlan(plan: Plan, layout: Layout, view: PlanView): string {
  const { style } = layout;
  const stores = presentStores(plan);
  if (!plan.hasChanges) {
    return [
      style.green(
        hasPending(plan)
          ? "Nothing to do: what was named is applied."
          : "Nothing to do: no migration is pending.",
      ),
      ...stores.map(([store, found]) => storeLine(storeTitle(store), found)),
    ].join("\n");
  }
  const parts = [[summary(plan, layout), ...where(plan, layout), ...pace(plan, layout, view)].join("\n")];
  for (const [name, store] of stores) {
    if (store.steps.length === 0) continue;
    parts.push(style.bold(`${storeTitle(name)}: from version ${store.current} to ${lastVersion(store)}`));
    if (store.held !== undefined) {
      parts.push(
        wrap(style.yellow(`Not counted, and apply would have to wait: ${store.held}`), layout.width, ""),
      );
    }
    if (store.preparation !== undefined) {
      parts.push(wrap(`Prepared: ${preparedText(store.preparation, layout)}`, layout.width, ""));
    }
    parts.push(...renderGrouping(store, layout));
    for (const step of store.steps) parts.push(renderStep(step, layout, view));
  }
  if (plan.redis.length > 0) parts.push(style.bold("Redis"));
  for (const migration of plan.redis) parts.push(renderRedis(migration, layout));
  parts.push(renderLosses(plan, layout), renderInvalid(plan, layout), renderBlockers(plan, layout));
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The line below a plan. */
export function nextAfterPlan(
  plan: PlanToTell,
  layout: Layout,
  { ids, file }: { readonly ids: readonly string[]; readonly file: string | undefined },
): string {
  if (!plan.hasChanges) {
    return nextWhenDone(layout, { pending: hasPending(plan), adoptable: plan.adoptable });
  }
  const [blocker] = plan.blockers;
  if (blocker !== undefined) {
    const [way] = blocker.parts?.commands ?? [];
    if (way !== undefined && plan.blockers.every(({ kind }) => kind === PREPARED_BLOCKER)) {
      return nextCommand(layout, `outpost migrate ${way}`, "what is prepared stands in the way");
    }
    return nextCommand(
      layout,
      `outpost migrate plan${ids.map((id) => ` ${id}`).join("")}`,
      "when the way is free",
    );
  }
  const command = file === undefined
    ? ["outpost migrate apply", ...ids].join(" ")
    : `outpost migrate apply --plan ${quoted(file)}`;
  if (invalidRecords(plan).count > 0) {
    return nextCommand(layout, command, "when the records named are repaired");
  }
  return file === undefined
    ? nextCommand(layout, command, "apply it")
    : nextCommand(layout, command, "apply exactly this, or nothing");
}

/** True when anything is pending, planned or not. */
function hasPending({ basis }: Plan): boolean {
  return basis.migrations.some(({ status }) => status !== "applied" && status !== "not_applicable");
}

function storeLine(name: string, { current, latest }: SqlPlan): string {
  return current > latest
    ? `${name} is at version ${current}, ahead of the ${latest} that this program knows.`
    : `${name} is at version ${current} of ${latest}.`;
}

/** All SQL steps of a plan. */
export function stepsOf(plan: Plan): readonly SqlStepPlan[] {
  return presentStores(plan).flatMap(([, { steps }]) => steps);
}

function lastVersion({ steps, latest }: SqlPlan): number {
  return Number(steps.at(-1)?.id.split("/")[1] ?? latest);
}

function summary(plan: Plan, { style, width }: Layout): string {
  const sql = stepsOf(plan).length;
  const { length } = plan.redis;
  const parts = [
    ...(sql > 0 ? [formatCounted(sql, "SQL step")] : []),
    ...(length > 0
      ? [`${formatCounted(length, "Redis migration")} ${length === 1 ? "over" : "with"} ${recordsText(plan)}`]
      : []),
  ];
  return style.bold(wrap(`Plan: ${parts.join(", then ") || "nothing that can be told"}`, width, "  "));
}

/** What is to be done in Redis: `38,118 conversions of 14,054 records`. One migration converts each record once. */
export function recordsText({ redis }: Pick<Plan, "redis">): string {
  const conversions = redis.reduce((sum, { estimatedItems }) => sum + estimatedItems, 0);
  const records = formatCounted(redis.reduce((sum, { firsts }) => sum + firsts, 0), "record");
  return redis.length === 1
    ? formatCounted(conversions, "record")
    : `${formatCounted(conversions, "conversion")} of ${records}`;
}

/** What will be changed, and where. */
function where({ stores, basis }: Plan, { width }: Layout): readonly string[] {
  const changed = concerned(stores, basis.selected);
  return changed.length === 0 ? [] : [wrap(`In ${placesText(changed, basis.deployment)}.`, width, "  ")];
}

/** What is known of the time it takes. */
function pace(plan: Plan, { style }: Layout, { countedMs, maxRate }: PlanView): readonly string[] {
  const records = plan.redis.reduce((sum, { estimatedItems }) => sum + estimatedItems, 0);
  return [
    ...estimates(plan, { limited: maxRate !== null }).map((line) => style.dim(line)),
    ...(countedMs === null ? [] : [style.dim(`Counted in ${formatDuration(countedMs)}.`)]),
    ...(maxRate === null || records === 0 ? [] : [
      `At most ${formatCounted(maxRate, "record")} a second: at least ${
        formatDuration((records / maxRate) * 1000)
      } for Redis.`,
    ]),
  ];
}

/** Which steps run as one and what that needs, or why none do. */
function renderGrouping(
  { steps, grouping, preparation }: SqlPlan,
  { style, width }: Layout,
): readonly string[] {
  if (grouping === undefined) return [];
  const { together, apart, needs, prepared = false } = grouping;
  const ids = steps.map(({ id }) => id).filter((id) => together.includes(Number(id.split("/")[1])));
  if (prepared) {
    return [style.green(wrap(
      `${ids[0]} to ${ids.at(-1)} are prepared${
        preparation?.ready === false
          ? " in part: once that is finished, the new tables"
          : ": the new tables are there, and"
      } only change places with the old ones, all or nothing`,
      width,
      "",
    ))];
  }
  if (ids.length === 0) {
    return [style.yellow(wrap(
      "Tables are changed in place, step by step, and readers wait as well while rows are written: new tables would not have all " +
        `of this: ${apart.join("; ")}`,
      width,
      "",
    ))];
  }
  const space = needs === undefined || needs.disk < WORTH_TELLING
    ? ""
    : `. That takes about ${formatBytes(needs.disk)} of disk beside what is there, and as much of WAL`;
  return [style.green(wrap(
    `${ids[0]} to ${
      ids.at(-1)
    } run in one rewrite, all or nothing: each row is written once, writers of these tables wait until the ` +
      `end, readers only for the moment in which the tables change places${space}`,
    width,
    "",
  ))];
}

/** Bytes that somebody may not have. */
const WORTH_TELLING = 16 * 1024 * 1024;

function renderRedis(migration: RedisMigrationPlan, { style, width }: Layout): string {
  const scope = Object.entries(migration.scope).filter(([kind]) => kind !== "invalid").map(([kind, count]) =>
    `${kind} ${formatCount(count)}`
  );
  const lines = [
    `${style.cyan(migration.id)}  ${formatCounted(migration.estimatedItems, "record")}`,
    `  ${wrap(migration.description, width - 2, "  ")}`,
    ...(scope.length > 0 ? [`  ${wrap(scope.join(", "), width - 2, "  ")}`] : []),
  ];
  for (const { key, before, after } of migration.examples) {
    lines.push(
      `  ${style.dim("for example")} ${key}`,
      `    ${style.red("-")} ${wrap(before, width - 6, "      ")}`,
      `    ${style.green("+")} ${wrap(after, width - 6, "      ")}`,
    );
  }
  return lines.join("\n");
}

/** What stands in the way comes last, above the command that it would make fail. */
function renderBlockers({ blockers }: Plan, { style, width, carried }: Layout): string {
  if (blockers.length === 0) return "";
  return [
    style.bold("What stands in the way:"),
    ...blockers.flatMap((blocker) => [
      wrap(`${style.red("!")} ${blocker.detail}`, width, "  "),
      `  ${wrap(wayOut(blocker, carried), width - 2, "  ")}`,
    ]),
  ].join("\n");
}

/** What goes is said once more at the end, where nobody scrolls past it. */
function renderLosses(plan: Plan, { style, width }: Layout): string {
  const losses = stepsOf(plan).flatMap((step) =>
    step.consequences
      .filter(({ kind }) => kind === "rows_deleted" || kind === "column_dropped" || kind === "table_dropped")
      .map(({ table, detail }) => wrap(`${style.red("-")} ${step.id} ${table}: ${detail}`, width, "  "))
  );
  return losses.length === 0 ? "" : [style.bold("What goes:"), ...losses].join("\n");
}
