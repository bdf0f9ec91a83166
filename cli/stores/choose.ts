/**
 * Which SQL store a command means that works on one of them.
 *
 * @module
 */

import type { FlagSpec } from "../command.ts";
import { UsageError } from "../errors.ts";
import type { Settings } from "../settings/table.ts";

/** A SQL store, as the engine calls it. */
export type SqlStore = "sql" | "clickhouse";

/** The flag that names it. */
export const STORE_FLAG: FlagSpec = {
  flags: "--store <postgres|clickhouse>",
  description: "Which SQL store, where both are configured",
};

/** Reads the flag. @throws {UsageError} When it names no store. */
export function readStore(text: string | undefined): SqlStore | undefined {
  if (text === undefined) return undefined;
  if (text === "postgres" || text === "clickhouse") return text === "postgres" ? "sql" : text;
  throw new UsageError(`--store must be postgres or clickhouse, and is "${text}"`);
}

/**
 * The store that is meant: the one named, or the only one.
 *
 * @throws {UsageError} When both are configured and none is named, or the one named is not configured.
 */
export function chooseSqlStore(
  { postgresUrl, clickhouseAddr }: Settings,
  named: SqlStore | undefined,
): SqlStore {
  const configured: readonly SqlStore[] = [
    ...(postgresUrl === null ? [] : ["sql" as const]),
    ...(clickhouseAddr === null ? [] : ["clickhouse" as const]),
  ];
  if (named === undefined && configured.length > 1) {
    throw new UsageError("Two SQL stores are configured, and this command works on one", {
      hint: "Say which: --store postgres, or --store clickhouse",
    });
  }
  if (named !== undefined && configured.length > 0 && !configured.includes(named)) {
    const name = named === "sql" ? "Postgres" : "ClickHouse";
    throw new UsageError(`${name} is not configured`, { hint: "See what is configured: outpost config" });
  }
  return named ?? configured[0] ?? "sql";
}
