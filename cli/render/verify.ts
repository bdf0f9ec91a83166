/**
 * What verification found, for people.
 *
 * @module
 */

import { presentStores, storeTitle } from "../../engine/migration.ts";
import type { SqlVerification } from "../../engine/sql_backend.ts";
import { dirtyVersions, storeFlag } from "../../engine/hint.ts";
import type { VerifyResult } from "../../engine/verify.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import { type Layout, nextCommand, nextWhenDone } from "../output/output.ts";
import type { Style } from "../output/style.ts";
import { wrap } from "../output/table.ts";

/** How the records were looked at. */
export interface VerifyView {
  readonly full: boolean;
  readonly sample: number;
  /** How many SQL stores are configured, also where not all were looked at. */
  readonly sqlStores: number;
  /** Only the migrations that were named. */
  readonly named?: boolean;
}

/** Renders `outpost migrate verify`. */
export function renderVerify(result: VerifyResult, layout: Layout, view: VerifyView): string {
  const { style, width } = layout;
  const lines: string[] = [];
  const part = (ok: boolean, title: string, issues: readonly string[]) => {
    lines.push(`${mark(ok, style)} ${title}`);
    for (const issue of issues) lines.push(`    ${wrap(`- ${issue}`, width - 4, "      ")}`);
  };
  for (const [store, found] of presentStores(result)) {
    part(found.ok, `${storeTitle(store).padEnd(24)}${sqlText(found)}`, found.issues);
    for (const warning of found.warnings) {
      lines.push(`    ${wrap(`${style.yellow("!")} ${warning}`, width - 4, "      ")}`);
    }
  }
  for (const { id, valid, checksRun, checksPassed, accepted, issues } of result.redis) {
    const counts = checksRun === 0
      ? "nothing to check"
      : `${formatCount(checksPassed)} of ${formatCount(checksRun)} checks passed${
        accepted > 0 ? `, of which ${formatCount(accepted)} were accepted as they are` : ""
      }`;
    part(valid, wrap(`${id.padEnd(24)}${counts}`, width - 5, "    "), issues);
  }
  const looked = result.redis.some(({ valid, checksRun }) => valid || checksRun > 0);
  const how = result.redis.length === 0 ? [] : [
    style.dim(
      !looked
        ? "No record was checked."
        : view.full
        ? "Every record was checked."
        : `A random sample of up to ${formatCounted(view.sample, "tenant")} was checked.`,
    ),
    ...new Set(result.redis.flatMap(({ note }) => note === undefined ? [] : [style.dim(`${note}.`)])),
  ];
  return [...lines, "", ...how, verdict(result, style), next(result, layout, view)].join("\n");
}

function mark(ok: boolean, style: Style): string {
  return ok ? style.green("ok  ") : style.red("FAIL");
}

function sqlText({ current, latest, dirty }: SqlVerification): string {
  return `version ${current} of ${latest}${dirty ? ", dirty" : ""}`;
}

function verdict({ ok }: VerifyResult, style: Style): string {
  return ok ? style.green("Verified.") : style.red("Not verified.");
}

function next(
  result: VerifyResult,
  layout: Layout,
  { full, named = false, sqlStores }: VerifyView,
): string {
  const { ok, redis } = result;
  if (ok && !full && redis.length > 0) {
    return nextCommand(layout, "outpost migrate verify --full", "check every record");
  }
  if (ok && named) return nextCommand(layout, "outpost migrate status", "and the others?");
  if (ok) return nextWhenDone(layout, { pending: false });
  const stores = presentStores(result);
  const sql = stores.map(([, store]) => store);
  // A version that is not known can be set by the release alone that knows it.
  const settable = stores.filter(([, { current, latest }]) => current <= latest);
  const at = (name: string, version: number) => `${version}${storeFlag(name, { size: sqlStores })}`;
  const dirty = settable.find(([, store]) => store.dirty);
  if (dirty !== undefined) return nextAfterRepair(dirty[1], layout, (version) => at(dirty[0], version));
  const misrecorded = settable.find(([, store]) => store.misrecorded);
  if (misrecorded !== undefined) {
    return nextCommand(
      layout,
      `outpost migrate force ${at(misrecorded[0], misrecorded[1].current)}`,
      "or the version that the tables really have: writes it down anew",
    );
  }
  const misplaced = settable.find(([, { fits }]) => fits !== undefined);
  if (misplaced !== undefined) {
    return nextAfterRepair(misplaced[1], layout, (version) => at(misplaced[0], version));
  }
  const repaired = () =>
    nextCommand(layout, "outpost migrate verify", "once what is listed above is repaired");
  if (settable.some(([, store]) => store.incomplete)) return repaired();
  const behind = sql.some((store) => store.current < store.latest) ||
    redis.some(({ valid, checksRun }) => !valid && checksRun === 0);
  if (behind) return nextCommand(layout, "outpost migrate plan", "something is pending");
  const wrong = redis.find(({ valid }) => !valid);
  if (wrong !== undefined && wrong.undecided > 0) {
    const command = `outpost migrate resolve ${wrong.id} --all --keep copy`;
    return nextCommand(layout, command, "or original: shows both forms, and asks");
  }
  if (wrong !== undefined) {
    const command = `outpost migrate apply ${wrong.id} --rerun${wrong.accepted > 0 ? " --skip-invalid" : ""}`;
    return nextCommand(layout, command, "convert what was left");
  }
  return sql.some((store) => store.current > store.latest)
    ? nextCommand(layout, "outpost migrate verify", "with the release that applied these steps")
    : repaired();
}

/** The way out of what another tool left half done, as every refusal says it. */
function nextAfterRepair(
  { current, fits }: SqlVerification,
  layout: Layout,
  at: (version: number) => string,
): string {
  if (fits !== undefined) {
    return nextCommand(layout, `outpost migrate force ${at(fits)}`, "the version that the tables have");
  }
  const [whole, before] = dirtyVersions(current);
  return nextCommand(
    layout,
    `outpost migrate force ${at(whole)}`,
    `once the schema is repaired; ${before} where the step is not complete`,
  );
}
