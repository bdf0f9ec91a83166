/**
 * The short answer for people: can I deploy?
 *
 * @module
 */

import type { SqlStatus, Status } from "../../engine/status.ts";
import { formatCount } from "../output/format.ts";
import { type Layout, nextCommand, nextWhenDone } from "../output/output.ts";
import type { Style } from "../output/style.ts";
import { wrap } from "../output/table.ts";
import { activityLines } from "./activity.ts";
import { pendingText, WHEN_OVER } from "./list.ts";
import { presentStores, storeTitle } from "../../engine/migration.ts";
import { activityText, ageText, ownerText } from "./owner.ts";
import { preparedText } from "./prepared.ts";

/** Renders `outpost migrate status`. */
export function renderStatus(status: Status, layout: Layout): string {
  const { style, width, now } = layout;
  const lines: string[] = [wrap(verdict(status, style), layout.width), ""];
  const row = (name: string, text: string) =>
    lines.push(`  ${name.padEnd(10)}  ${wrap(text, width - 14).replaceAll("\n", `\n${" ".repeat(14)}`)}`);
  const stores = presentStores(status);
  for (const [store, found] of stores) {
    row(storeTitle(store), sqlText(found, style));
    if (found.prepared !== undefined) row("Prepared", preparedText(found.prepared, layout));
  }
  for (const { store, message } of status.unread ?? []) row(storeTitle(store), style.red(message));
  if (status.redis !== null) row("Redis", redisText(status.redis, style));
  const { lock } = status;
  row(
    "Lock",
    lock === null ? "free" : `${lock.alive ? style.yellow("held") : style.red("dead")} by ${ownerText(lock)}`,
  );
  if (lock !== null) {
    for (const more of [activityText(lock), ageText(lock, now)]) if (more !== "") row("", more);
  }
  if (status.activity !== null) {
    activityLines(status.activity, now).forEach((line, i) => row(i === 0 ? "At work" : "", line));
  }
  for (const drift of stores.flatMap(([, found]) => found.drift)) {
    lines.push("", wrap(`${style.red("!")} ${drift}`, width, "  "));
  }
  return [...lines, "", nextStep(status, layout)].join("\n");
}

/** Can I deploy? */
export function verdict(status: Status, style: Style): string {
  const { pending, lock, unread } = status;
  if (unread !== undefined) {
    return style.red("Nobody can tell: the bookkeeping of a store is held by somebody else.");
  }
  const stores = presentStores(status).map(([, store]) => store);
  if (stores.some((store) => store.dirty)) {
    return style.red("Do not deploy: another tool failed in the middle of a SQL step.");
  }
  if (stores.some((store) => store.drift.length > 0)) {
    return style.red("Do not deploy: applied SQL steps are not what this program knows.");
  }
  const open = pending.sql + pending.redis;
  if (open > 0) {
    const atWork = lock !== null && lock.alive ? ", and somebody is at work" : "";
    const are = open === 1 ? "is" : "are";
    return style.yellow(`Not ready to deploy: ${pendingText(pending)} ${are} pending${atWork}.`);
  }
  if (stores.some((store) => store.ahead)) {
    return style.yellow(
      "Ready to deploy, but the database is ahead of this program: deploy the release it belongs to.",
    );
  }
  return style.green("Ready to deploy: nothing is pending.");
}

function sqlText({ version, latest, dirty, ahead }: SqlStatus, style: Style): string {
  const at = `version ${formatCount(version)} of ${formatCount(latest)}`;
  if (dirty) return `${at}, ${style.red("dirty")}`;
  if (ahead) {
    return `version ${formatCount(version)}, ${style.yellow("ahead")}: this program knows ${
      formatCount(latest)
    }`;
  }
  const behind = latest - version;
  return behind > 0
    ? `${at}, ${style.yellow(`${formatCount(behind)} pending`)}`
    : `${at}, ${style.green("up to date")}`;
}

function redisText(
  { applied, total }: { readonly applied: number; readonly total: number },
  style: Style,
): string {
  const at = `${formatCount(applied)} of ${formatCount(total)} migrations done`;
  return applied < total
    ? `${at}, ${style.yellow(`${formatCount(total - applied)} pending`)}`
    : `${at}, ${style.green("up to date")}`;
}

function nextStep(status: Status, layout: Layout): string {
  const { pending, lock, unread } = status;
  const stores = presentStores(status).map(([, store]) => store);
  if (unread !== undefined) return nextCommand(layout, "outpost migrate status", WHEN_OVER);
  if (stores.some(({ dirty, drift }) => dirty || drift.length > 0)) {
    return nextCommand(layout, "outpost migrate verify", "what is wrong, in detail");
  }
  if (lock !== null && !lock.alive) {
    return nextCommand(layout, "outpost migrate unlock", "clear the dead lock");
  }
  if (
    pending.sql === 0 && lock === null && stores.some(({ prepared }) => (prepared?.problem ?? null) !== null)
  ) {
    return nextCommand(
      layout,
      "outpost migrate prepare --abort",
      "take away what notes every write for nothing",
    );
  }
  if (pending.sql + pending.redis === 0) {
    return nextWhenDone(layout, { pending: false, adoptable: status.redis?.adoptable });
  }
  if (lock === null) return nextCommand(layout, "outpost migrate plan", "what apply would change");
  // Other tools leave no sign of life: theirs may be of a run that ended long ago.
  return lock.heartbeatAt === null && lock.source !== "postgres"
    ? nextCommand(layout, "outpost migrate unlock", "only when that tool is no longer at work")
    : nextCommand(layout, "outpost migrate status", "again, when the other is done");
}
