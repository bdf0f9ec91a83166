/**
 * Whether the user may do all that the steps need: asked of the server before anything is changed, with CHECK GRANT, which says
 * nothing of rows and writes nothing.
 *
 * @module
 */

import { ClickHouseError } from "@clickhouse/client";
import { type Blocker, remedy } from "../blocker.ts";
import { quoteName, select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";
import { GRANTS_HINT } from "./errors.ts";

/** What has to be granted on something. */
interface Need {
  readonly rights: readonly string[];
  /** As GRANT writes it. */
  readonly on: string;
}

/** What is to be worked on. */
interface RightsQuestion {
  /** Names of the tool's tables, prefix included. */
  readonly own: readonly string[];
  /** Names of the application's tables, prefix included. */
  readonly tables: readonly string[];
  /** The cluster that has them; null for one server. */
  readonly cluster: string | null;
}

/** Says which rights the user lacks. An older server has no CHECK GRANT: of such a one nothing is known beforehand. */
export async function findRightsBlockers(
  client: ClickHouseClient,
  { own, tables, cluster }: RightsQuestion,
): Promise<readonly Blocker[]> {
  const needs: readonly Need[] = [
    ...own.map((name) => ({
      rights: ["SELECT", "INSERT", "CREATE TABLE"],
      on: quoteName(name),
    })),
    ...tables.map((name) => ({
      rights: ["SELECT", "CREATE TABLE", "ALTER COLUMN", "ALTER INDEX", "ALTER UPDATE"],
      on: quoteName(name),
    })),
    ...[
      "detached_parts",
      "mutations",
      "parts_columns",
      "processes",
      cluster === null ? "replicas" : "clusters",
    ].map((
      name,
    ) => ({
      rights: ["SELECT"],
      on: `system.${name}`,
    })),
    ...(cluster === null ? [] : [{ rights: ["CLUSTER", "REMOTE"], on: "*.*" }]),
  ];
  const lacking = await Promise.all(needs.map(async ({ rights, on }) => {
    if (await isGranted(client, rights, on)) return [];
    const each = await Promise.all(rights.map((right) => isGranted(client, [right], on)));
    return rights.filter((_, i) => !each[i]).map((right) => `${right} ON ${on}`);
  }));
  return lacking.flat().map((right) => ({
    store: "clickhouse",
    kind: "rights",
    object: right.slice(right.indexOf(" ON ") + 4),
    detail: `The ClickHouse user lacks ${right}`,
    ...remedy(GRANTS_HINT),
  }));
}

async function isGranted(client: ClickHouseClient, rights: readonly string[], on: string): Promise<boolean> {
  try {
    const [row] = await select<Record<string, number>>(client, `CHECK GRANT ${rights.join(", ")} ON ${on}`);
    return Number(Object.values(row ?? {})[0] ?? 1) !== 0;
  } catch (error) {
    if (error instanceof ClickHouseError && error.code === SYNTAX_ERROR) return true;
    throw error;
  }
}

const SYNTAX_ERROR = "62";
