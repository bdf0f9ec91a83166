/**
 * Deletes what a step left behind.
 *
 * @module
 */

import type { SqlStep } from "../sql/step.ts";
import type { SqlRunOptions } from "../sql_backend.ts";
import { tableExists } from "./query.ts";
import { stepId } from "./step_id.ts";
import type { StepRecords } from "./step_records.ts";
import type { TransactionRunner } from "./transaction.ts";

/** Deletes it. @returns The number of rows. */
export async function cleanUp(
  transactions: TransactionRunner,
  records: StepRecords,
  step: SqlStep,
  options: SqlRunOptions,
): Promise<number> {
  const { remains } = step;
  if (remains === undefined) return 0;
  let deleted = 0;
  await transactions.run(stepId(step), options, async (query) => {
    await records.mend(query);
    if (!await tableExists(query, remains.table)) return;
    // Only a run that holds the lock writes there: what is counted is what goes.
    const [count] = await query<Record<string, string>>(remains.count);
    deleted = Number(Object.values(count!)[0]);
    for (const statement of remains.delete) await query(statement);
  });
  return deleted;
}
