/**
 * What a SQL step is doing, for people.
 *
 * @module
 */

import type { StatementProgress } from "../../engine/apply_run.ts";
import type { SqlActivity, SqlWork } from "../../engine/sql/activity.ts";
import { formatAge, formatCount, formatDuration } from "../output/format.ts";

/** `sql/000005  statement 3 of 9, 12 s: CREATE INDEX, building index 45% of 1,200 blocks; waits for process 4711 (...)`. */
export function statementText(
  id: string,
  { statement, statements, forMs, activity }: StatementProgress,
): string {
  const at = `${id}  statement ${statement} of ${statements}, ${formatDuration(forMs)}`;
  const doing = activity === null ? "" : doingText(activity);
  return doing === "" ? at : `${at}: ${doing}`;
}

/** The same from outside: `CREATE INDEX for 12 s, ...`. */
export function activityLines(activity: SqlActivity, now: Date): readonly string[] {
  const { pid, statement, since, waitsFor, work } = activity;
  const begun = since === null ? "" : `, begun ${formatAge(since, now)}`;
  const what = statement === null
    ? "between two statements, or hidden from this role"
    : `${statement}${begun}`;
  return [
    `Postgres process ${pid}: ${what}`,
    ...(work === null ? [] : [workText(work)]),
    ...waitsFor.map(({ description }) => `waits for ${description}`),
  ];
}

function doingText({ statement, waitsFor, work }: SqlActivity): string {
  const told = [statement, work === null ? null : workText(work)].filter((part) => part !== null).join(", ");
  const [first, ...more] = waitsFor;
  if (first === undefined) return told;
  return `waits for ${first.description}${more.length === 0 ? "" : ` and ${more.length} more`}`;
}

function workText({ phase, done, total, unit }: SqlWork): string {
  return total === null
    ? `${phase}, ${formatCount(done)} ${unit}`
    : `${phase}, ${Math.floor((100 * done) / total)}% of ${formatCount(total)} ${unit}`;
}
