/**
 * Which SQL stores are configured.
 *
 * @module
 */

import { SQL_STORES, type SqlStoreName } from "../../engine/migration.ts";
import type { SettingKey, Settings } from "../settings/table.ts";

/** The settings that say where a store is, of which the first counts that is set: without any there is none. */
export const ADDRESS = {
  postgres: ["postgresUrl"],
  clickhouse: ["clickhouseHttpAddr", "clickhouseAddr"],
} as const satisfies Record<SqlStoreName, readonly SettingKey[]>;

/** Any of them. */
export type AddressKey = (typeof ADDRESS)[SqlStoreName][number];

/** Those that are, in the order in which they are migrated. */
export function configuredStores(settings: Settings): readonly SqlStoreName[] {
  return SQL_STORES.filter((store) => ADDRESS[store].some((key) => settings[key] !== null));
}
