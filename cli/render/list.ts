/**
 * Every migration with its status, for people.
 *
 * @module
 */

import type { MigrationList } from "../../engine/list.ts";
import type { MigrationStatus } from "../../engine/migration.ts";
import type { PendingCounts } from "../../engine/state.ts";
import { formatCounted, formatMinute } from "../output/format.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { displayWidth, type Style } from "../output/style.ts";
import { type Column, renderTable, wrap } from "../output/table.ts";

const MIN_DESCRIPTION = 30;
/** What to do about a store whose bookkeeping somebody holds. */
export const WHEN_OVER = "again, when that is over";

/** Renders `outpost migrate list`. */
export function renderList(list: MigrationList, layout: Layout): string {
  const { style, width, verbose } = layout;
  const rows = list.migrations.map((entry) => [
    entry.id,
    entry.store === "redis" ? "" : entry.name,
    paintStatus(entry.status, style),
    entry.appliedAt === null ? "" : formatMinute(entry.appliedAt),
    entry.description,
  ]);
  const columns: Column[] = [
    { title: "MIGRATION" },
    { title: "NAME" },
    { title: "STATUS" },
    { title: "APPLIED (UTC)" },
    { title: "WHAT", shrinks: true },
  ];
  // Half a description says nothing: the column is there when it fits, or when more was asked for.
  const [first = ""] = renderTable(columns.slice(0, 4), rows, { width: Infinity });
  const fits = verbose || width - displayWidth(first) - 2 >= MIN_DESCRIPTION;
  const shown = fits ? rows : rows.map((row) => [...row.slice(0, 4), ""]);
  const reasons = list.migrations.flatMap(({ id, status, reason }) =>
    reason === null ? [] : [wrap(`${id} is ${paintStatus(status, style)}: ${reason}`, width, "  ")]
  );
  return [
    ...renderTable(columns, shown, { width: verbose ? Infinity : width, title: style.dim }),
    ...(reasons.length === 0 ? [] : ["", ...reasons]),
    "",
    ...(list.unread === undefined
      ? [pendingSentence(list.pending, style)]
      : list.unread.map(({ message }) => wrap(`${style.red("!")} ${message}`, width, "  "))),
    list.unread === undefined
      ? nextAfterState(list, layout)
      : nextCommand(layout, "outpost migrate list", WHEN_OVER),
  ].join("\n");
}

/** A status in its colour, `not applicable` without its underscore. */
function paintStatus(status: MigrationStatus, style: Style): string {
  const text = status.replace("_", " ");
  if (status === "applied") return style.green(text);
  if (status === "not_applicable") return style.dim(text);
  return status === "failed" || status === "dirty" ? style.red(text) : style.yellow(text);
}

/** `Nothing is pending.` or `Pending: 6 SQL migrations, 3 Redis migrations.` */
export function pendingSentence({ sql, redis }: PendingCounts, style: Style): string {
  if (sql === 0 && redis === 0) return style.green("Nothing is pending.");
  return style.yellow(`Pending: ${pendingText({ sql, redis })}.`);
}

/** `6 SQL migrations and 3 Redis migrations`; sides with nothing pending are left out. */
export function pendingText({ sql, redis }: PendingCounts): string {
  const parts = [
    ...(sql > 0 ? [formatCounted(sql, "SQL migration")] : []),
    ...(redis > 0 ? [formatCounted(redis, "Redis migration")] : []),
  ];
  return parts.join(" and ");
}

function nextAfterState({ migrations, pending }: MigrationList, layout: Layout): string {
  if (migrations.some(({ status }) => status === "dirty")) {
    return nextCommand(layout, "outpost migrate verify", "what the dirty step left behind");
  }
  if (migrations.some(({ status }) => status === "running")) {
    return nextCommand(layout, "outpost migrate status", "who is at work");
  }
  return pending.sql + pending.redis > 0
    ? nextCommand(layout, "outpost migrate plan", "what apply would change")
    : nextCommand(layout, "outpost migrate verify", "prove it");
}
