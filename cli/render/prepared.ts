/**
 * How far what is prepared is, in a line.
 *
 * @module
 */

import type { SqlPrepared } from "../../engine/sql/sql_prepared.ts";
import { formatBytes, formatCounted, formatDuration } from "../output/format.ts";
import type { Layout } from "../output/output.ts";

/** Phase, rows, what is left to take in, disk, and since when. */
export function preparedText(
  { versions, ready, phase, rows, backlog, since, bytes, problem }: SqlPrepared,
  { style, now }: Layout,
): string {
  const facts = [
    ...(versions.length === 0 ? [] : [`versions ${versions[0]} to ${versions.at(-1)}`]),
    ready ? style.green("ready") : style.yellow(phase),
    ...(rows === null ? [] : [`${formatCounted(rows, "row")} copied`]),
    ...(backlog === null ? [] : [`${formatCounted(backlog, "write")} to take in`]),
    formatBytes(bytes),
    ...(since === null ? [] : [`begun ${formatDuration(now.getTime() - since.getTime())} ago`]),
  ].join(", ");
  return problem === null ? facts : `${facts}; ${style.red(`of no use: ${problem}`)}`;
}
