/**
 * Connects to ClickHouse as the settings say.
 *
 * @module
 */

import { type ClickHouseClient, ClickHouseLogLevel, createClient } from "@clickhouse/client";

/** Where ClickHouse is and who asks. */
export interface ClickHouseSettings {
  /** `host:port` of the HTTP interface, or a URL. */
  readonly addr: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly tls: boolean;
}

/** Creates a client. Nothing is contacted yet; the caller closes it. */
export function connectClickHouse(
  { addr, username, password, database, tls }: ClickHouseSettings,
): ClickHouseClient {
  return createClient({
    url: /^https?:\/\//.test(addr) ? addr : `${tls ? "https" : "http"}://${addr}`,
    database,
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    request_timeout: 600_000, // A mutation is awaited until it is done.
    application: "outpost",
    // The engine reports every failure itself; the client would print it, query and all.
    log: { level: ClickHouseLogLevel.OFF },
  });
}

/** What tells this database from another, without secrets. */
export function clickhouseIdentity({ addr, database }: ClickHouseSettings): string {
  return `${addr.replace(/^https?:\/\//, "").replace(/^[^@/]*@/, "")}/${database}`;
}
