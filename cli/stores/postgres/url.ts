/**
 * Reads a Postgres URL as the usual clients do. Not by the URL class: several hosts, a socket's folder as host and unescaped
 * characters in a password are no URL to it, and its errors show the password.
 *
 * @module
 */

import { SettingsError } from "../../errors.ts";

/** One server to try. */
export interface PostgresHost {
  /** Name, address, or a socket's folder (which begins with `/`): what a certificate has to be for. */
  readonly host: string;
  readonly port: number;
  /** Where to connect, when that is not where the name leads (`hostaddr`). */
  readonly address?: string;
}

/** What a Postgres URL says. */
export interface PostgresAddress {
  /** In the order to try. */
  readonly hosts: readonly PostgresHost[];
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  /** Everything after the question mark, decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

const DEFAULT_PORT = 5432;

/** Parameters whose values may well hold an "@" that nobody encoded. */
const FREE_TEXT = ["user", "password", "dbname", "options", "application_name", "fallback_application_name"];

/**
 * Parses `postgres://user:password@host:port,host:port/database?parameter=value`.
 *
 * A password that is not encoded is taken as it is where only one reading is possible. With an `@`, a `/` or a `?` in it no
 * one can tell where it ends: a part of it would be shown as the host or the database, so the URL is refused.
 *
 * @throws {SettingsError} When it is none. The message shows no part of it.
 */
export function parsePostgresUrl(text: string): PostgresAddress {
  const scheme = /^postgres(ql)?:\/\//i.exec(text.trim());
  if (scheme === null) throw invalid(`it has to begin with "postgres://"`);
  // It would end one value in the greeting to the server and begin another.
  if (/%00|\0/.test(text)) throw invalid("it holds a zero byte");
  const rest = text.trim().slice(scheme[0].length);
  const end = rest.search(/[/?]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const tail = end < 0 ? "" : rest.slice(end);
  const mark = tail.indexOf("?");
  const path = mark < 0 ? tail : tail.slice(0, mark);
  const at = authority.indexOf("@");
  if (authority.lastIndexOf("@") !== at || /@|^\/[^/]*\//.test(path)) {
    throw invalid("its user and password have to be percent-encoded");
  }
  const credentials = at < 0 ? "" : authority.slice(0, at);
  const colon = credentials.indexOf(":");
  const parameters = parseParameters(mark < 0 ? "" : tail.slice(mark + 1));
  return {
    hosts: parseHosts(
      parameters.get("host") ?? authority.slice(at + 1),
      parameters.get("hostaddr"),
      parameters.get("port"),
    ),
    user: parameters.get("user") ?? (orNull(decode(colon < 0 ? credentials : credentials.slice(0, colon)))),
    password: parameters.get("password") ?? (colon < 0 ? null : decode(credentials.slice(colon + 1))),
    database: parameters.get("dbname") ?? orNull(decode(path.slice(1))),
    parameters,
  };
}

function parseHosts(text: string, addresses: string | undefined, ports: string | undefined): PostgresHost[] {
  const given = addresses?.split(",") ?? [];
  const wanted = text === "" && given.length > 0 ? given.map(() => "") : text.split(",");
  if (given.length > 0 && given.length !== wanted.length) {
    throw invalid("hostaddr has to name as many addresses as there are hosts");
  }
  const more = ports?.split(",") ?? [];
  if (more.length > 1 && more.length !== wanted.length) {
    throw invalid("port has to name one port, or as many as there are hosts");
  }
  return wanted.map((entry, index) => {
    const { host, port } = splitHost(entry);
    const written = port ?? orNull(more[index] ?? more[0] ?? "") ?? String(DEFAULT_PORT);
    const number = Number(written);
    if (!/^\d+$/.test(written) || number < 1 || number > 65535) {
      throw invalid(`its port has to be a number from 1 to 65535; a password has to be percent-encoded`);
    }
    const address = orNull(given[index] ?? "");
    if (address !== null && !/^[0-9a-fA-F.:%]+$/.test(address)) {
      throw invalid("hostaddr has to be an address");
    }
    const named = host === "" ? address ?? "localhost" : host;
    return { host: named, port: number, ...(address === null ? {} : { address }) };
  });
}

function splitHost(entry: string): { readonly host: string; readonly port: string | null } {
  const brackets = /^\[([0-9a-fA-F:.%]+)\](?::(.*))?$/.exec(entry);
  if (brackets !== null) return { host: brackets[1]!, port: orNull(brackets[2] ?? "") };
  const decoded = decode(entry);
  if (decoded.startsWith("/")) {
    const socket = /^(.*?)(?::(\d+))?$/.exec(decoded)!;
    return { host: socket[1]!, port: socket[2] ?? null };
  }
  const colon = entry.indexOf(":");
  const host = decode(colon < 0 ? entry : entry.slice(0, colon));
  if (/[\s@#\\"<>^`{|}/?\p{Cc}]/u.test(host)) {
    throw invalid(`its host makes no sense; a password has to be percent-encoded`);
  }
  return { host, port: colon < 0 ? null : orNull(entry.slice(colon + 1)) };
}

/** As Outpost's server reads them, in which a plus sign is a space. */
function parseParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1) throw invalid(`its parameters have to be written name=value`);
    const [name, value] = [decode(pair.slice(0, equals)), pair.slice(equals + 1)];
    if (pair.includes("@") && !FREE_TEXT.includes(name)) {
      throw invalid("its user and password have to be percent-encoded");
    }
    const read = decode(value.replaceAll("+", " "));
    if ((parameters.get(name) ?? read) !== read) {
      throw invalid("it has a parameter twice, with two values, of which each client takes another one");
    }
    parameters.set(name, read);
  }
  return parameters;
}

/** Percent-decodes; a percent sign that encodes nothing stands for itself, as in a password that was not encoded. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function orNull(text: string): string | null {
  return text === "" ? null : text;
}

/** An error that names the setting and never its value. */
export function invalid(reason: string): SettingsError {
  return new SettingsError([`The Postgres URL cannot be used: ${reason}`]);
}
