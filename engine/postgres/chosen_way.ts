/**
 * The way up or down that a database allows, which has to be the one that was shown.
 *
 * @module
 */

import { PlanStaleError } from "../errors.ts";
import { isMade } from "./beforehand.ts";
import { hint } from "../hint.ts";
import { chooseBack, chooseWay, type SqlStep } from "../sql/step.ts";
import type { SqlStatement } from "../sql/statement.ts";
import type { Query } from "./query.ts";
import { stepId } from "./step_id.ts";

/**
 * The statements of the way up that this database allows.
 *
 * @param shown The way that was shown; undefined for whichever it is.
 * @throws {PlanStaleError} When it is another one.
 */
export async function chooseUp(
  query: Query,
  step: SqlStep,
  shown: string | undefined,
): Promise<readonly SqlStatement[]> {
  if (step.beforehand !== undefined && await isMade(query, step.beforehand)) return step.beforehand.up;
  const { variant, statements } = await chooseWay(
    step,
    step.version - 1,
    (question) => holds(query, question),
  );
  assertShown(step, shown, variant);
  return statements;
}

/** The statements of the way down that this database allows. */
export async function chooseDown(query: Query, step: SqlStep): Promise<readonly SqlStatement[]> {
  return await chooseBack(step, (question) => holds(query, question));
}

async function holds(query: Query, question: string): Promise<boolean> {
  const [answer] = await query<Record<string, boolean>>(question);
  return answer !== undefined && Object.values(answer)[0] === true;
}

/** @throws {PlanStaleError} When a step would not run in the way that was shown. */
export function assertShown(step: SqlStep, shown: string | undefined, variant: string): void {
  if (shown === undefined || shown === variant) return;
  const id = stepId(step);
  throw new PlanStaleError(`The plan no longer fits: ${id} would run in another way than was shown`, [
    `The way of ${id} was "${shown}" and is "${variant}"`,
  ], { hint: hint`Look at it again with ${"plan"}` });
}
