/**
 * How long a plan may take: a span to plan a deployment with, no promise. The speeds are those that the benchmarks in bench/
 * saw on a machine of two cores, from its worst to twice its best.
 *
 * @module
 */

import { presentStores } from "../../engine/migration.ts";
import type { Plan } from "../../engine/plan.ts";
import { formatBytes, formatDuration } from "../output/format.ts";

/** Bytes of a table that are rewritten or indexed in a second, at worst and at best. */
const BYTES_PER_SECOND = [4 * 1024 * 1024, 64 * 1024 * 1024] as const;
/** Records that one Redis migration does in a second, at worst and at best. */
const RECORDS_PER_SECOND = [15_000, 150_000] as const;
/** What is shorter is not worth a number. */
const SHORT_MS = 1000;

/** One sentence for each side that has something to do. @param limited True where a rate decides about the Redis side. */
export function estimates(plan: Plan, { limited }: { readonly limited: boolean }): readonly string[] {
  const stores = presentStores(plan).map(([, store]) => store);
  const steps = stores.flatMap((store) => store.steps);
  // What runs as one reads each table once.
  const asOne = stores.reduce((sum, { grouping }) => sum + (grouping?.needs?.bytes ?? 0), 0);
  const alone = stores.flatMap(({ steps, grouping }) =>
    grouping?.needs === undefined
      ? steps
      : steps.filter(({ id }) => !grouping.together.includes(Number(id.split("/")[1])))
  );
  const bytes = asOne +
    alone.flatMap(({ tables, consequences }) =>
      tables.filter(({ name, rewrite }) =>
        rewrite || consequences.some(({ kind, table }) => kind === "index_built" && table === name)
      )
        .map((table) => table.bytes ?? 0)
    ).reduce((sum, size) => sum + size, 0);
  const records = plan.redis.reduce((sum, { estimatedItems }) => sum + estimatedItems, 0);
  const [slow, fast] = RECORDS_PER_SECOND;
  return [
    ...(steps.length === 0 ? [] : [
      `SQL: ${span(bytes / BYTES_PER_SECOND[1], bytes / BYTES_PER_SECOND[0])}, rewriting and indexing ${
        formatBytes(bytes)
      }.`,
    ]),
    ...(records === 0 || limited ? [] : [`Redis: ${span(records / fast, records / slow)}.`]),
  ];
}

function span(leastSeconds: number, mostSeconds: number): string {
  const [least, most] = [leastSeconds * 1000, mostSeconds * 1000];
  if (most < SHORT_MS) return "about a second or less";
  if (least < SHORT_MS) return `up to about ${formatDuration(most)}`;
  return `about ${formatDuration(least)} to ${formatDuration(most)}`;
}
