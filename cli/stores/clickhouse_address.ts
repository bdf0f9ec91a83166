/**
 * Reads the address of ClickHouse: `host`, `host:port` or a URL. Not by the URL class alone, whose errors show the password.
 *
 * @module
 */

import { SettingsError } from "../errors.ts";

/** What an address says. */
export interface ClickHouseAddress {
  /** Null where the address does not say. */
  readonly encrypted: boolean | null;
  /** `host` or `host:port`, as it was written; an IPv6 address in brackets. */
  readonly place: string;
  /** Null where there is none. */
  readonly username: string | null;
  readonly password: string | null;
}

/**
 * Parses one.
 *
 * @throws {SettingsError} When it is none, or has parameters or a path, which the client would take for settings. The message
 * shows no part of it.
 */
export function parseClickHouseAddress(text: string): ClickHouseAddress {
  const [, scheme, rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text.trim())!;
  if (scheme !== undefined && !/^https?$/i.test(scheme)) {
    throw invalid("it has to begin with http:// or https://");
  }
  const bare = rest.replace(/\/$/, "");
  const at = bare.lastIndexOf("@");
  const place = bare.slice(at + 1);
  const credentials = at < 0 ? "" : bare.slice(0, at);
  if (/[/?#@]/.test(credentials) || !/^(\[[0-9a-fA-F:.]+\]|[\p{L}\p{N}._-]+)(:\d{1,5})?$/u.test(place)) {
    throw invalid("user and password have to be percent-encoded, and nothing may follow host and port");
  }
  const colon = credentials.indexOf(":");
  const [user, password] = colon < 0
    ? [credentials, null]
    : [credentials.slice(0, colon), credentials.slice(colon + 1)];
  return {
    encrypted: scheme === undefined ? null : scheme.toLowerCase() === "https",
    place,
    username: user === "" ? null : decode(user),
    password: password === null ? null : decode(password),
  };
}

/** Ports at which ClickHouse speaks its own protocol, as with Outpost's server, and those at which it speaks HTTP beside them. */
const HTTP_PORTS: Readonly<Record<string, string>> = { "9000": "8123", "9440": "8443" };

/** The address of the HTTP interface beside the server's own one. A URL says where that is. */
export function httpAddress(address: string): string {
  if (address.includes("://")) return address;
  return address.replace(/:(9000|9440)\/?\s*$/, (_, port) => `:${HTTP_PORTS[port]}`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(reason: string): SettingsError {
  return new SettingsError([`The ClickHouse address cannot be used: ${reason}`]);
}
