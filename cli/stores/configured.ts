/**
 * Which SQL stores are configured.
 *
 * @module
 */

import { SQL_STORES, type SqlStoreName } from "../../engine/migration.ts";
import type { SettingKey, Settings } from "../settings/table.ts";

/** The setting that says where a store is: without it there is none. */
export const ADDRESS = { postgres: "postgresUrl", clickhouse: "clickhouseAddr" } as const satisfies Record<
  SqlStoreName,
  SettingKey
>;

/** Those that are, in the order in which they are migrated. */
export function configuredStores(settings: Settings): readonly SqlStoreName[] {
  return SQL_STORES.filter((store) => settings[ADDRESS[store]] !== null);
}
