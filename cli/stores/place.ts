/**
 * Where a store is looked for, and which setting says so.
 *
 * @module
 */

import type { StoreName } from "../../engine/migration.ts";
import type { SettingKey } from "../settings/table.ts";
import type { Origin, ResolvedSetting } from "../settings/resolve.ts";
import { ADDRESS, type AddressKey } from "./configured.ts";
import { httpAddress, parseClickHouseAddress } from "./clickhouse_address.ts";
import { shownPostgresPlace } from "./postgres/shown_url.ts";

/** What of an address may be shown. */
const SHOWN: Readonly<Record<AddressKey, (address: string) => string | null>> = {
  postgresUrl: shownPostgresPlace,
  clickhouseAddr: (address) => parseClickHouseAddress(httpAddress(address)).place,
  clickhouseHttpAddr: (address) => parseClickHouseAddress(address).place,
};

/** `10.0.0.7:6379 (REDIS_HOST)`, without user and password; null when it is not configured. */
export function storePlace(store: StoreName, resolved: readonly ResolvedSetting[]): string | null {
  const find = (key: SettingKey) => resolved.find((setting) => setting.key === key)!;
  if (store === "redis") {
    const host = find("redisHost");
    const name = String(host.value);
    return `${name.includes(":") ? `[${name}]` : name}:${find("redisPort").value} (${
      originText(host.origin)
    })`;
  }
  const key = ADDRESS[store].find((one) => find(one).value !== null);
  if (key === undefined) return null;
  const { value, origin } = find(key);
  const place = SHOWN[key](String(value));
  return place === null ? null : `${place} (${originText(origin)})`;
}

/** Who said so: `--redis-host`, `REDIS_HOST`, `.env: REDIS_HOST` or `default`. */
export function originText({ kind, name, file }: Origin): string {
  if (kind === "default") return "default";
  return kind === "file" ? `${file}: ${name}` : name!;
}
