/**
 * Where a store is looked for, and which setting says so.
 *
 * @module
 */

import type { StoreName } from "../../engine/migration.ts";
import type { SettingKey } from "../settings/table.ts";
import type { Origin, ResolvedSetting } from "../settings/resolve.ts";

/** `10.0.0.7:6379 (REDIS_HOST)`, without user and password; null when it is not configured. */
export function storePlace(store: StoreName, resolved: readonly ResolvedSetting[]): string | null {
  const find = (key: SettingKey) => resolved.find((setting) => setting.key === key)!;
  if (store === "redis") {
    const host = find("redisHost");
    return `${host.value}:${find("redisPort").value} (${originText(host.origin)})`;
  }
  const setting = find(store === "postgres" ? "postgresUrl" : "clickhouseAddr");
  if (typeof setting.value !== "string") return null;
  return `${addressOf(setting.value)} (${originText(setting.origin)})`;
}

/** A URL or an address without scheme, credentials and parameters. */
function addressOf(text: string): string {
  const authority = text.replace(/^[a-z]+:\/\//i, "").split("?")[0]!;
  return authority.slice(authority.lastIndexOf("@") + 1);
}

/** Who said so: `--redis-host`, `REDIS_HOST`, `.env: REDIS_HOST` or `default`. */
export function originText({ kind, name, file }: Origin): string {
  if (kind === "default") return "default";
  return kind === "file" ? `${file}: ${name}` : name!;
}
