/**
 * Records of a plan that cannot be converted, for people.
 *
 * @module
 */

import type { Plan } from "../../engine/plan.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import type { Layout } from "../output/output.ts";
import { wrap } from "../output/table.ts";

/** What to do about records that cannot be converted. */
export const INVALID_ADVICE =
  "Repair them under the names that stand here, or leave them as they are with --skip-invalid.";

/** Records that cannot be converted: how many, and of those that are named a line each. */
export function invalidRecords(plan: Plan): { readonly count: number; readonly lines: readonly string[] } {
  const count = plan.redis.reduce((sum, { invalidItems }) => sum + invalidItems, 0);
  const lines = plan.redis.flatMap(({ id, invalidItems, invalid }) => [
    ...invalid.map(({ key, field, value }) => `${id} ${key}: ${field} is "${value}"`),
    ...(invalidItems > invalid.length
      ? [`${id}: and ${formatCount(invalidItems - invalid.length)} more`]
      : []),
  ]);
  return { count, lines };
}

/** What apply cannot finish is said where nobody scrolls past it. */
export function renderInvalid(plan: Plan, { style, width }: Layout): string {
  const { count, lines } = invalidRecords(plan);
  if (count === 0) return "";
  return [
    style.bold(`${formatCounted(count, "record")} cannot be converted:`),
    ...lines.map((line) => wrap(`${style.red("!")} ${line}`, width, "  ")),
    `  ${wrap(INVALID_ADVICE, width - 2, "  ")}`,
  ].join("\n");
}
