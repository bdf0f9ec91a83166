/**
 * A plan, and what is still to be looked at where it has nothing to do.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import type { Plan, PlanOptions } from "../../engine/plan.ts";

/** What `outpost migrate plan` tells. */
export interface PlanToTell extends Plan {
  /** True where nothing is to be done, and some of that was only recorded by older tools; else absent. */
  readonly adoptable?: true;
}

/** Plans. Reads only. */
export async function planToTell(engine: Engine, options: PlanOptions): Promise<PlanToTell> {
  const plan = await engine.plan(options);
  const status = plan.hasChanges ? null : await engine.status();
  return status?.redis?.adoptable ? { ...plan, adoptable: true } : plan;
}
