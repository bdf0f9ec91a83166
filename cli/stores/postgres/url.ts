/**
 * Reads a Postgres URL as the usual clients do. Not by the URL class: several hosts, a socket's folder as host and unescaped
 * characters in a password are no URL to it, and its errors show the password.
 *
 * @module
 */

import { SettingsError } from "../../errors.ts";

/** What a Postgres URL says. */
export interface PostgresAddress {
  /** Names, addresses or folders of sockets (which begin with `/`), in the order to try. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  /** Everything after the question mark, decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

const DEFAULT_PORT = 5432;

/**
 * Parses `postgres://user:password@host:port,host:port/database?parameter=value`.
 *
 * @throws {SettingsError} When it is none. The message never shows the password.
 */
export function parsePostgresUrl(text: string): PostgresAddress {
  const scheme = /^postgres(ql)?:\/\//i.exec(text.trim());
  if (scheme === null) throw invalid(`it has to begin with "postgres://"`);
  const rest = text.trim().slice(scheme[0].length);
  const end = rest.search(/[/?]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const tail = end < 0 ? "" : rest.slice(end);
  const at = authority.lastIndexOf("@");
  // An "@" behind the first slash or question mark belongs to a password that was not encoded, unless a parameter has it.
  if (at < 0 && tail.split("?")[0]!.includes("@")) throw invalid(`its password has to be percent-encoded`);
  const credentials = at < 0 ? "" : authority.slice(0, at);
  const colon = credentials.indexOf(":");
  const mark = tail.indexOf("?");
  const parameters = parseParameters(mark < 0 ? "" : tail.slice(mark + 1));
  const hosts = parameters.get("host") ?? authority.slice(at + 1);
  const database = decode(mark < 0 ? tail.slice(1) : tail.slice(1, Math.max(1, mark)));
  return {
    hosts: parseHosts(hosts, parameters.get("hostaddr"), parameters.get("port")),
    user: parameters.get("user") ?? (orNull(decode(colon < 0 ? credentials : credentials.slice(0, colon)))),
    password: parameters.get("password") ?? (colon < 0 ? null : decode(credentials.slice(colon + 1))),
    database: parameters.get("dbname") ?? orNull(database),
    parameters,
  };
}

function parseHosts(
  text: string,
  addresses: string | undefined,
  ports: string | undefined,
): { readonly host: string; readonly port: number }[] {
  const wanted = (addresses ?? text).split(",");
  const more = ports?.split(",") ?? [];
  return wanted.map((entry, index) => {
    const { host, port } = splitHost(entry);
    const given = port ?? more[index] ?? more[0] ?? String(DEFAULT_PORT);
    const number = Number(given);
    if (!/^\d+$/.test(given) || number < 1 || number > 65535) {
      throw invalid(`its port has to be a number from 1 to 65535; a password has to be percent-encoded`);
    }
    return { host: host === "" ? "localhost" : host, port: number };
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
  if (/[\s@#\\"<>^`{|}]/.test(host)) {
    throw invalid(`its host makes no sense; a password has to be percent-encoded`);
  }
  return { host, port: colon < 0 ? null : orNull(entry.slice(colon + 1)) };
}

function parseParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1) throw invalid(`its parameters have to be written name=value`);
    parameters.set(decode(pair.slice(0, equals)), decode(pair.slice(equals + 1)));
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
  return new SettingsError([`The Postgres URL cannot be used: ${reason}`], {
    hint: "Write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded",
  });
}
