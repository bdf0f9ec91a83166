/**
 * What plans of several deployments say, in a line each.
 *
 * @module
 */

import type { Plan } from "../../engine/plan.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount } from "../output/format.ts";
import { planJson } from "../output/json.ts";
import { renderPlan } from "../render/plan.ts";
import type { Telling } from "./report.ts";

/** @param check Whether something to do is told by the exit status. */
export function planTelling({ check }: { readonly check: boolean }): Telling<Plan> {
  return {
    isDone: (plan) => !plan.hasChanges,
    words: ["have nothing to do", "would be changed"],
    next: { failed: "migrate plan", others: "migrate apply", done: "migrate verify" },
    json: planJson,
    line: (plan, { style }) => {
      if (!plan.hasChanges) return style.green("nothing to do");
      const counts = plan.redis.map(({ id, estimatedItems }) =>
        `${id} ${formatCount(estimatedItems)} records`
      );
      const steps = plan.basis.selected.filter((id) => !id.startsWith("redis/"));
      const invalid = Math.max(0, ...plan.redis.map(({ invalidItems }) => invalidItems));
      return [
        [...steps, ...counts].join(", "),
        ...(invalid === 0 ? [] : [style.yellow(`${formatCount(invalid)} cannot be converted`)]),
        ...plan.blockers.map(({ detail }) => style.red(detail)),
      ].join("; ");
    },
    text: (plan, layout) => renderPlan(plan, layout, { statements: false, countedMs: 0, maxRate: null }),
    status: (plan) => check && plan.hasChanges ? EXIT.failed : EXIT.done,
  };
}
