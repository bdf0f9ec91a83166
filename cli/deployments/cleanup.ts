/**
 * `outpost migrate cleanup` for several deployments.
 *
 * @module
 */

import type { CleanupItem } from "../../engine/cleanup.ts";
import type { Engine } from "../../engine/engine.ts";
import type { CleanupResult } from "../../engine/migration.ts";
import type { Context } from "../context.ts";
import { DeclinedError } from "../errors.ts";
import { lockOptions, paceOf } from "../migrate/lock_options.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCount, formatCounted } from "../output/format.ts";
import { cleanupJson } from "../output/json.ts";
import { askAll, chooseBy, fleetSentence } from "./accounts.ts";
import { reportAll } from "./report.ts";

/** What it is told on the command line. */
interface CleanupManyOptions {
  readonly id: string | undefined;
  readonly yes: boolean;
  readonly force: boolean;
}

/** Deletes what is proven, of every deployment. @returns The exit status. */
export async function cleanUpMany(context: Context, { id, yes, force }: CleanupManyOptions): Promise<number> {
  const { host, output, log, signal } = context;
  const question = (what: string): Question => ({
    text: `Delete ${what}? This cannot be taken back.`,
    instead: ["cleanup", ...(id === undefined ? [] : [id]), "--yes"].join(" "),
  });
  if (!yes) {
    assertCanAsk({ host, json: output.json }, question("what migrations of several deployments left behind"));
  }
  await using open = await context.openFleet();
  const chosen = chooseBy(open.fleet, id === undefined ? [] : [id]);
  // Rows that a SQL step kept aside exist nowhere else: they go only when their step is named.
  const meant = id === undefined ? { ...chosen, shared: null } : chosen;
  // Verified before anybody is asked. Nobody is told how many there are who is not asked.
  const look = async (engine: Engine): Promise<readonly CleanupItem[]> => {
    const [named] = chosen.idsOf(engine);
    const { items } = await engine.planCleanup({ id: named, any: yes, signal });
    const left = items.filter((item) =>
      item.count > 0 && (id === undefined ? item.id.startsWith("redis/") : item.id === named)
    );
    if (!force && left.length > 0) await engine.assertCleanable(left.map((item) => item.id), { signal });
    return left;
  };
  context.progress.busy(force ? "Counting what is left ..." : "Verifying before anything is deleted ...");
  const looks = await context.reading(askAll(meant, look));
  const found = new Map(looks.map((account) => [account.name, account]));
  if (!yes) {
    const sum = looks.flatMap((account) => account.ok ? account.value : [])
      .reduce((total, { count }) => total + count, 0);
    const what = `${formatCounted(sum, "original")} of ${fleetSentence(open.fleet)}`;
    if (sum > 0 && !await context.confirm(question(what))) {
      throw new DeclinedError("Nothing was deleted: the answer was no");
    }
  }
  log.info(`Cleaning up ${fleetSentence(open.fleet)}`, {
    event: "begin",
    deployments: [...open.fleet.engines.keys()],
  });
  const accounts = await askAll(meant, async (engine, name) => {
    const looked = found.get(name)!;
    if (!looked.ok) throw looked.error;
    const results: CleanupResult[] = [];
    for (const item of looked.value) {
      results.push(
        await engine.cleanup(item.id, { ...lockOptions(context), ...paceOf(context), force: true }),
      );
    }
    return sumOf(id, results);
  });
  return reportAll(context, accounts, {
    isDone: ({ kept }) => kept === 0,
    words: ["are cleaned up", "are not"],
    next: { failed: "migrate verify --full", done: "migrate status" },
    json: (result) => cleanupJson(result),
    line: ({ deleted, kept }) =>
      deleted + kept === 0
        ? "nothing to clean up"
        : `${formatCount(deleted)} deleted, ${formatCount(kept)} kept`,
    named: (account) => account.ok ? account.value.issues : [],
    text: ({ deleted, kept, issues }) =>
      [`${formatCount(deleted)} deleted, ${formatCount(kept)} kept`, ...issues].join("\n"),
    status: ({ kept }) => kept > 0 ? EXIT.failed : EXIT.done,
  });
}

function sumOf(id: string | undefined, results: readonly CleanupResult[]) {
  return {
    id: results[0]?.id ?? id ?? null,
    deleted: results.reduce((sum, { deleted }) => sum + deleted, 0),
    kept: results.reduce((sum, { kept }) => sum + kept, 0),
    issues: results.flatMap(({ issues }) => issues),
  };
}
