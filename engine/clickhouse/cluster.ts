/**
 * ClickHouse servers that are replicas of one another: how statements are written for them, and what has to hold there.
 *
 * Tables are made on every replica and replicated; what changes them afterwards reaches the others in order, and is waited for. Rows
 * of the bookkeeping count when a majority of the replicas has them, and are read by nobody who lacks one of them.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import { quoteName, select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** What stands before the name of every table, and the cluster that has them; null for one server. */
export interface ClickHouseScope {
  /** Empty for nothing. */
  readonly prefix: string;
  /** As `system.clusters` names it. */
  readonly cluster: string | null;
}

/**
 * Writes a statement for where it is to run. Quoted names of tables stand for `{{name}}`, and within a text, `'{{name:name}}'`, the
 * names as they are; `{{system.name}}` is that table of every replica.
 */
export function expandFor({ prefix, cluster }: ClickHouseScope, text: string): string {
  return spread(cluster, text)
    .replaceAll(
      /\{\{(system\.\w+)\}\}/g,
      (_all, table) => cluster === null ? table : `clusterAllReplicas(${quoteName(cluster)}, ${table})`,
    )
    .replaceAll(
      /\{\{(\w+)(:name)?\}\}/g,
      (_all, name, bare) => bare === undefined ? quoteName(prefix + name) : prefix + name,
    );
}

/** Has a table made or dropped on every replica. */
function spread(cluster: string | null, text: string): string {
  if (cluster === null) return text;
  return text
    .replace(
      /^((?:CREATE TABLE IF NOT EXISTS|DROP TABLE IF EXISTS) \S+)/,
      (made) => `${made} ON CLUSTER ${quoteName(cluster)}`,
    )
    .replace(/\bENGINE = (?=\w*MergeTree)/, "ENGINE = Replicated");
}

/** The client for the replicas of one cluster. */
export function clusterClient(client: ClickHouseClient): ClickHouseClient {
  return {
    query: (request) => client.query({ ...request, clickhouse_settings: READ }),
    command: (request) => client.command({ ...request, clickhouse_settings: CHANGE }),
    insert: ({ clickhouse_settings, ...request }) =>
      client.insert({ ...request, clickhouse_settings: { ...clickhouse_settings, ...WRITE } }),
    ping: () => client.ping(),
  };
}

/** Whoever lacks a row that a majority has does not answer. */
const READ = { select_sequential_consistency: "1" };
/** A change of a table is done when each replica has it; a mutation is queued, and waited for with short questions. */
const CHANGE = { alter_sync: "2", mutations_sync: "0" };
/** A row counts when a majority of the replicas has it. */
const WRITE = { insert_quorum: "auto", insert_quorum_parallel: "0" };

/** Finds what keeps tables from being changed on all of their replicas. @param own Names of the tool's tables, prefix included. */
export async function findClusterBlockers(
  client: ClickHouseClient,
  { prefix, cluster }: ClickHouseScope,
  tables: {
    readonly own: readonly string[];
    readonly app: readonly string[];
    readonly rewritten: readonly string[];
  },
): Promise<readonly Blocker[]> {
  const named = (names: readonly string[]) => names.map((name) => prefix + name);
  if (cluster === null) return await findForgotten(client, named(tables.rewritten));
  const [found] = await select<{ shards: number | string }>(
    client,
    "SELECT max(shard_num) AS shards FROM system.clusters WHERE cluster = {cluster:String}",
    { cluster },
  );
  const shards = Number(found?.shards ?? 0);
  if (shards !== 1) {
    return [{
      ...{ store: "clickhouse", kind: "cluster", object: cluster },
      detail: shards === 0
        ? `The server knows no cluster ${cluster}`
        : `The cluster ${cluster} has ${shards} shards: only replicas of one can be changed together`,
      hint:
        "Name the cluster whose replicas hold the tables; the server lists what it knows in system.clusters",
    }];
  }
  const alone = await select<{ name: string; engine: string }>(
    client,
    `SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}
       AND NOT startsWith(engine, 'Replicated') AND NOT startsWith(engine, 'Shared') ORDER BY name`,
    { names: [...tables.own, ...named(tables.app)] },
  );
  return alone.map(({ name, engine }) => ({
    ...{ store: "clickhouse", kind: "cluster", object: name },
    detail: `${name} is a ${engine}: it would be changed on one server of the cluster ${cluster} alone`,
    hint: "Replace it by a replicated table on every server, or name no cluster where there is one server",
  }));
}

/** Tables that are written anew and have replicas, at which inserts go on that this server does not show. */
async function findForgotten(
  client: ClickHouseClient,
  names: readonly string[],
): Promise<readonly Blocker[]> {
  if (names.length === 0) return [];
  const replicated = await select<{ name: string; replicas: number }>(
    client,
    `SELECT table AS name, total_replicas AS replicas FROM system.replicas
      WHERE database = currentDatabase() AND table IN {names:Array(String)} AND total_replicas > 1 ORDER BY name`,
    { names },
  );
  return replicated.map(({ name, replicas }) => ({
    ...{ store: "clickhouse", kind: "cluster", object: name },
    detail:
      `${name} has ${replicas} replicas: rows that are inserted at another one meanwhile could lose values`,
    hint: "Say in which cluster they are, so that inserts at every replica are waited for",
  }));
}
