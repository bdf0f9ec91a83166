/**
 * What became of each migration of a run, for people.
 *
 * @module
 */

import type { MigrationResult } from "../../engine/migration.ts";
import { formatCount, formatCounted, formatDuration } from "../output/format.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import type { Style } from "../output/style.ts";
import { renderTable, wrap } from "../output/table.ts";

/** Renders the account of `outpost migrate apply`. */
export function renderResults(results: readonly MigrationResult[], { style, width }: Layout): string {
  const rows = results.map((result) => [
    result.id,
    outcomeText(result.outcome, style),
    count(result.processed),
    count(result.skipped),
    count(result.conflicts),
    result.failed === 0 ? "" : style.red(formatCount(result.failed)),
    result.outcome === "not_run" ? "" : tookText("", result.durationMs),
  ]);
  const lines = [...renderTable(
    [
      { title: "MIGRATION" },
      { title: "OUTCOME" },
      { title: "RECORDS", align: "right" },
      { title: "SKIPPED", align: "right" },
      { title: "KEPT NEWER", align: "right" },
      { title: "FAILED", align: "right" },
      { title: "TIME", align: "right" },
    ],
    rows,
    { width, title: style.dim },
  )];
  for (const { id, issues } of results) {
    for (const issue of issues) lines.push(wrap(`${style.yellow("!")} ${id}: ${issue}`, width, "  "));
  }
  return lines.join("\n");
}

/** What one migration did, in a line: `applied sql/000005 in 1.2 s`, or `sql/000005 failed in 1.2 s`. */
export function resultSentence(
  { id, outcome, processed, failed, skipped, durationMs }: MigrationResult,
): string {
  const counts = [
    ...(processed > 0 ? [formatCounted(processed, "record")] : []),
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
  ];
  const with_ = counts.length === 0 ? "" : `: ${counts.join(", ")}`;
  const what = outcome === "applied" ? `applied ${id}` : `${id} failed`;
  return `${what}${tookText(" in ", durationMs)}${with_}`;
}

/** Of several that ran as one, the last tells the time of all. */
function tookText(before: string, durationMs: number): string {
  return durationMs === 0 ? "" : before + formatDuration(durationMs);
}

/** The last lines of a run in which everything was done. @param named Others may be pending, which `verify` would not pass. */
export function renderDone(
  results: readonly MigrationResult[],
  layout: Layout,
  { named }: { readonly named: boolean },
): string {
  return [
    layout.style.green(doneSentence(results)),
    named
      ? nextCommand(layout, "outpost migrate status", "what is left")
      : nextCommand(layout, "outpost migrate verify", "prove it"),
  ].join("\n");
}

function outcomeText(outcome: MigrationResult["outcome"], style: Style): string {
  if (outcome === "applied") return style.green("applied");
  return outcome === "failed" ? style.red("failed") : style.dim("not run");
}

function count(number: number): string {
  return number === 0 ? "" : formatCount(number);
}

function doneSentence(results: readonly MigrationResult[]): string {
  const records = results.reduce((sum, { processed }) => sum + processed, 0);
  const ms = results.reduce((sum, { durationMs }) => sum + durationMs, 0);
  // Several migrations convert a record several times.
  const several = results.filter(({ processed }) => processed > 0).length > 1;
  const what = several
    ? `, ${formatCounted(records, "conversion")} of records,`
    : ` over ${formatCounted(records, "record")}`;
  const over = records === 0 ? "" : what;
  return `Applied ${formatCounted(results.length, "migration")}${over} in ${formatDuration(ms)}.`;
}
