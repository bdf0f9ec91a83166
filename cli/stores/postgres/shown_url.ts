/**
 * A Postgres URL as it may be shown: put together again from what was understood of it, so that nothing appears that nobody
 * decided to show.
 *
 * @module
 */

import { HIDDEN } from "../../output/scrub.ts";
import { SettingsError } from "../../errors.ts";
import { parsePostgresUrl, type PostgresHost } from "./url.ts";

/** Parameters that hold no secret. All others are shown by their name at most. */
const SHOWN = new Set([
  ...["sslmode", "ssl", "requiressl", "sslnegotiation", "sslrootcert", "sslcert", "sslcertmode"],
  ...["ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "require_auth"],
  ...["host", "hostaddr", "port", "user", "dbname", "connect_timeout", "target_session_attrs"],
  ...["search_path", "application_name", "statement_timeout", "lock_timeout", "client_encoding", "timezone"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["pool_max_conns", "pool_min_conns", "gssencmode", "load_balance_hosts"],
]);

/** Names that may be shown, whose values may not. */
const NAMED = new Set(["password", "sslpassword", "sslkey", "passfile", "options", "service"]);

/** Shows a URL without secrets; nothing of one that cannot be understood. */
export function shownPostgresUrl(url: string): string {
  try {
    const { hosts, user, password, database, parameters } = parsePostgresUrl(url);
    const written = [...parameters].map(([name, value]) => {
      if (SHOWN.has(name)) return `${name}=${encode(value)}`;
      return NAMED.has(name) ? `${name}=${HIDDEN}` : HIDDEN;
    });
    // A password that stood among the parameters is shown there, where it is hidden too.
    const secret = password === null || parameters.has("password") ? "" : `:${HIDDEN}`;
    const who = user === null || parameters.has("user") ? secret : `${encode(user)}${secret}`;
    const where = parameters.has("host") || parameters.has("hostaddr") ? "" : hosts.map(hostText).join(",");
    const tail = database === null || parameters.has("dbname") ? "" : `/${encode(database)}`;
    const more = written.length === 0 ? "" : `?${written.join("&")}`;
    return `postgres://${who === "" ? "" : `${who}@`}${where}${tail}${more}`;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return HIDDEN;
  }
}

/** Where it leads: `host:port,host:port/database`, without anything else. Null for a URL that cannot be understood. */
export function shownPostgresPlace(url: string): string | null {
  try {
    const { hosts, database } = parsePostgresUrl(url);
    const named = (host: string) => (host.includes(":") && !host.startsWith("/") ? `[${host}]` : host);
    const places = hosts.map(({ host, port }) => `${named(host)}:${port}`).join(",");
    return database === null ? places : `${places}/${database}`;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return null;
  }
}

/** Values of parameters that are not shown: each may be a secret. Of `options`, the values of the settings in it. */
export function hiddenValues(parameters: ReadonlyMap<string, string>): readonly string[] {
  return [...parameters].flatMap(([name, value]) => {
    if (SHOWN.has(name) || name === "sslkey" || name === "service") return [];
    if (name !== "options") return [value];
    return [...value.matchAll(/(?:-c\s*|--)([\w.]+)=(.*?)(?=\s(?:-c|--)|$)/gs)].flatMap(([, setting, text]) =>
      SHOWN.has(setting!) ? [] : [text!]
    );
  });
}

function hostText({ host, port }: PostgresHost): string {
  const name = host.startsWith("/") ? encodeURIComponent(host) : host.includes(":") ? `[${host}]` : host;
  return port === 5432 ? name : `${name}:${port}`;
}

/** Percent-encoded, but for what reads better as it is. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%20/g, " ");
}
