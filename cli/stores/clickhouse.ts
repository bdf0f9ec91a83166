/**
 * Connects to ClickHouse as the settings say.
 *
 * @module
 */

import { type ClickHouseClient, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { SettingsError } from "../errors.ts";
import { parseClickHouseAddress } from "./clickhouse_address.ts";

/** Where ClickHouse is and who asks. */
export interface ClickHouseSettings {
  /** `host:port` of the HTTP interface, or a URL. */
  readonly addr: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly tls: boolean;
}

/**
 * Creates a client. Nothing is contacted yet; the caller closes it.
 *
 * @throws {SettingsError} When the address cannot be used, or asks for no encryption where the settings ask for it.
 */
export function connectClickHouse(
  { addr, username, password, database, tls }: ClickHouseSettings,
): ClickHouseClient {
  const address = parseClickHouseAddress(addr);
  if (tls && address.encrypted === false) {
    throw new SettingsError(["The ClickHouse address begins with http://, and TLS is on"], {
      hint: "Write https:// there, or HOST:PORT alone",
    });
  }
  const user = username === "" ? address.username ?? "" : username;
  const secret = password === "" ? address.password ?? "" : password;
  return createClient({
    url: `${address.encrypted ?? tls ? "https" : "http"}://${address.place}`,
    database,
    ...(user === "" ? {} : { username: user }),
    ...(secret === "" ? {} : { password: secret }),
    request_timeout: 600_000, // A mutation is awaited until it is done.
    application: "outpost",
    // The engine reports every failure itself; the client would print it, query and all.
    log: { level: ClickHouseLogLevel.OFF },
  });
}

/** What tells this database from another, without secrets. */
export function clickhouseIdentity({ addr, database }: ClickHouseSettings): string {
  return `${parseClickHouseAddress(addr).place}/${database}`;
}
