/**
 * Settings as they may be shown.
 *
 * @module
 */

import { HIDDEN } from "../output/scrub.ts";
import { parseClickHouseAddress } from "../stores/clickhouse_address.ts";
import { shownPostgresUrl } from "../stores/postgres/shown_url.ts";
import type { ResolvedSetting } from "./resolve.ts";

/** A setting as it may be shown. Parts of an address are shown only as far as they were understood. */
export function shownValue({ key, definition, value, problem }: ResolvedSetting): string {
  if (problem !== null) return "";
  const text = definition.type.show(value);
  if (text === "") return "";
  if (key === "postgresUrl") return shownPostgresUrl(text);
  if (definition.secret === true) return HIDDEN;
  if (key !== "clickhouseAddr" && key !== "clickhouseHttpAddr") return text;
  const { encrypted, place, username, password } = parseClickHouseAddress(text);
  const who = `${username ?? ""}${password === null ? "" : `:${HIDDEN}`}`;
  const scheme = encrypted === null ? "" : encrypted ? "https://" : "http://";
  return `${scheme}${who === "" ? "" : `${who}@`}${place}`;
}
