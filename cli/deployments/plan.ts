/**
 * What plans of several deployments say, in a line each.
 *
 * @module
 */

import type { PlanToTell } from "../migrate/plan_to_tell.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount } from "../output/format.ts";
import { planJson } from "../output/json.ts";
import { invalidRecords } from "../render/invalid.ts";
import { renderPlan } from "../render/plan.ts";
import type { Telling } from "./report.ts";

/** @param check Whether something to do is told by the exit status. @param statements Whether all is told, and they in full. */
export function planTelling(
  { check, statements = false }: { readonly check: boolean; readonly statements?: boolean },
): Telling<PlanToTell> {
  return {
    isDone: (plan) => !plan.hasChanges,
    isAdoptable: ({ adoptable }) => adoptable === true,
    full: statements,
    words: ["have nothing to do", "would be changed", "could not be asked"],
    next: { failed: "migrate plan", others: "migrate apply", done: "migrate verify" },
    json: planJson,
    line: (plan, { style }) => {
      if (!plan.hasChanges) return style.green("nothing to do");
      const counts = plan.redis.map(({ id, estimatedItems }) =>
        `${id} ${formatCount(estimatedItems)} records`
      );
      const steps = plan.basis.selected.filter((id) => !id.startsWith("redis/"));
      const { count: invalid } = invalidRecords(plan);
      return [
        [...steps, ...counts].join(", "),
        ...(invalid === 0 ? [] : [style.yellow(`${formatCount(invalid)} cannot be converted`)]),
        ...plan.blockers.map(({ detail }) => style.red(detail)),
      ].join("; ");
    },
    text: (plan, layout) => renderPlan(plan, layout, { statements, countedMs: null, maxRate: null }),
    named: (account) => account.ok ? invalidRecords(account.value).lines : [],
    status: (plan) => check && plan.hasChanges ? EXIT.failed : EXIT.done,
  };
}
