/**
 * Which SQL store a command means that works on one of them.
 *
 * @module
 */

import { SQL_STORES, type SqlStoreName, storeTitle } from "../../engine/migration.ts";
import type { FlagSpec } from "../command.ts";
import { UsageError } from "../errors.ts";
import type { Settings } from "../settings/table.ts";
import { configuredStores } from "./configured.ts";

/** The flag that names it. */
export const STORE_FLAG: FlagSpec = {
  flags: `--store <${SQL_STORES.join("|")}>`,
  description: "Which SQL store, where both are configured",
  values: SQL_STORES,
};

/** Reads the flag. @throws {UsageError} When it names no store. */
export function readStore(text: string | undefined): SqlStoreName | undefined {
  if (text === undefined) return undefined;
  const named = SQL_STORES.find((name) => name === text);
  if (named !== undefined) return named;
  throw new UsageError(`--store must be ${SQL_STORES.join(" or ")}, and is "${text}"`);
}

/**
 * The store that is meant: the one named, or the only one.
 *
 * @throws {UsageError} When both are configured and none is named, or the one named is not configured.
 */
export function chooseSqlStore(
  settings: Settings,
  named: SqlStoreName | undefined,
): SqlStoreName {
  const configured = configuredStores(settings);
  if (named === undefined && configured.length > 1) {
    throw new UsageError("Two SQL stores are configured, and this command works on one", {
      hint: "Say which: --store postgres, or --store clickhouse",
    });
  }
  if (named !== undefined && configured.length > 0 && !configured.includes(named)) {
    throw new UsageError(`${storeTitle(named)} is not configured`, {
      hint: "See what is configured: outpost config",
    });
  }
  return named ?? configured[0] ?? "postgres";
}
