/**
 * The way that steps take in a database: several as one, or each by itself in the way that it allows.
 *
 * @module
 */

import { BY_EXCHANGE, type Fold } from "./rewrite.ts";
import { chooseWay, type ChosenWay, mayBeMadeAnew, type SqlStep } from "./step.ts";
import type { SqlStatement } from "./statement.ts";
import { statementsWith } from "./step_beforehand.ts";
import type { FoldNow, StoreView } from "./step_store.ts";

/** No step runs with another. */
export const APART: FoldNow = { fold: null, apart: [] };

/** The statements of a step as they run among the others. */
export function withFold({ versions, before, after }: Fold, step: SqlStep): readonly SqlStatement[] {
  return [
    ...(step.version === versions[0] ? before : []),
    ...step.up,
    ...(step.version === versions.at(-1) ? after : []),
  ];
}

/** Several steps as one. */
export async function foldTogether(
  view: StoreView,
  versions: readonly number[],
  options = { noPrepared: false },
): Promise<FoldNow> {
  const found = await view.fold(versions, options);
  return found.fold?.versions.length === 1 ? APART : found;
}

/** How a step runs by itself. @param from Version of the database now. */
export async function wayAlone(
  view: StoreView,
  step: SqlStep,
  from: number,
): Promise<ChosenWay & { readonly apart: readonly string[] }> {
  const { fold, apart } = mayBeMadeAnew(step) ? await view.fold([step.version]) : APART;
  const way = fold === null
    ? step.beforehand === undefined
      ? await chooseWay(step, from, (query) => view.holds(query))
      : { variant: "", statements: statementsWith(step.beforehand) }
    : { variant: BY_EXCHANGE, statements: withFold(fold, step) };
  return { ...way, apart };
}
