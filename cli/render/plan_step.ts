/**
 * A SQL step as a plan shows it: its tables, what becomes of their data, its statements.
 *
 * @module
 */

import type { SqlStepPlan } from "../../engine/sql/sql_plan.ts";
import { formatBytes, formatCount, formatCounted } from "../output/format.ts";
import type { Layout } from "../output/output.ts";
import { renderTable, wrap } from "../output/table.ts";

/** One SQL step of a plan. @param statements Whether they are shown in full. */
export function renderStep(
  step: SqlStepPlan,
  { style, width }: Layout,
  { statements }: { readonly statements: boolean },
): string {
  const lines = [
    `${style.cyan(step.id)}  ${step.name}`,
    // A saved plan does not hold the descriptions.
    ...(step.description === "" ? [] : [`  ${wrap(step.description, width - 2, "  ")}`]),
  ];
  if (step.tables.length > 0) {
    const rows = step.tables.map((table) => [
      table.name,
      formatCount(table.rows),
      formatBytes(table.bytes),
      table.lock,
      table.rewrite ? style.yellow("rewritten") : "",
    ]);
    const table = renderTable(
      [
        { title: "TABLE" },
        { title: "ROWS", align: "right" },
        { title: "SIZE", align: "right" },
        { title: "STRONGEST LOCK" },
        { title: "DATA" },
      ],
      rows,
      { width: width - 2, title: style.dim },
    );
    lines.push(...table.map((line) => `  ${line}`));
  }
  for (const { kind, table, detail, rows } of step.consequences) {
    const severe = kind === "rows_deleted" || kind === "column_dropped" || kind === "table_dropped";
    const mark = severe ? style.red("-") : kind === "rows_quarantined" ? style.yellow("~") : style.green("+");
    const count = rows === 0 ? "" : ` (${formatCounted(rows, "row")})`;
    lines.push(`  ${mark} ${wrap(`${consequenceText(kind, table)}${count}: ${detail}`, width - 4, "    ")}`);
  }
  if (statements) {
    for (const statement of step.statements) {
      const text = statement.trim().replace(/;?$/, ";");
      lines.push("", ...text.split("\n").map((line) => (line.trim() === "" ? "" : `    ${line}`)));
    }
  } else if (step.statements.length > 0) {
    lines.push(
      style.dim(`  ${formatCounted(step.statements.length, "statement")}, shown in full with --sql`),
    );
  }
  return lines.join("\n");
}

function consequenceText(kind: SqlStepPlan["consequences"][number]["kind"], table: string): string {
  const words = {
    rows_quarantined: "rows kept aside from",
    rows_deleted: "rows deleted from",
    column_dropped: "column dropped from",
    table_dropped: "table dropped:",
    table_rewritten: "table rewritten:",
    index_built: "index built on",
  };
  return `${words[kind]} ${table}`;
}
