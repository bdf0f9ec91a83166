/**
 * An Outpost's log store in ClickHouse for tests: the backend over it, and its steps one by one.
 *
 * @module
 */

import type { SqlBackend, SqlRunOptions } from "../../../engine/sql_backend.ts";
import { createClickHouseBackend } from "../../../engine/clickhouse/backend.ts";
import type { ClickHouseClient as AnyClient } from "@clickhouse/client";
import type { ClickHouseClient } from "../../../engine/clickhouse/client.ts";
import { outpostNames } from "../../../migrations/mod.ts";
import { frozenRegistry } from "../../support/frozen_registry.ts";

/** What stands before the name of every table: a deployment ID that needs quoting. */
export const prefix = "9-dp_";

/** The backend as the program builds it. */
export function backendOf(
  client: ClickHouseClient,
  { deploymentId = "9-dp", cluster = null }: {
    readonly deploymentId?: string;
    readonly cluster?: string | null;
  } = {},
): SqlBackend {
  const { steps, directory, schemas } = frozenRegistry(deploymentId).clickhouse!;
  const { prefix, ...tables } = outpostNames(deploymentId).clickhouse!;
  const recorder = { who: "t@h", toolVersion: "1" };
  return createClickHouseBackend({
    client,
    steps,
    directory,
    schemas,
    tables,
    prefix,
    cluster,
    recorder,
    identity: "test",
  });
}

/** Run options that do nothing, but for what a test is about. */
export function run(more: Partial<SqlRunOptions> = {}): SqlRunOptions {
  return { signal: new AbortController().signal, beforeCommit: () => Promise.resolve(), ...more };
}

/** Applies the steps up to a version, each as the engine does. */
export async function up(backend: SqlBackend, to: number, more: Partial<SqlRunOptions> = {}): Promise<void> {
  await using session = await backend.connect();
  for (let at = (await backend.read()).version + 1; at <= to; at++) await session.up(at, run(more));
}

/** A client for the engine, around each of whose requests something else happens. */
export function around(client: AnyClient, happens: (query: string) => Promise<void>): ClickHouseClient {
  const wrap = async <T>(query: string, ask: () => Promise<T>): Promise<T> => {
    await happens(query);
    const answer = await ask();
    await happens(query);
    return answer;
  };
  return {
    query: (request) => wrap(request.query, () => client.query(request)),
    command: (request) => wrap(request.query, () => client.command(request)),
    insert: (request) => wrap("", () => client.insert(request)),
    ping: () => client.ping(),
  };
}
