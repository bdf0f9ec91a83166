/**
 * Makes a Postgres client from a URL, with every usual parameter.
 *
 * @module
 */

import postgres from "postgres";
import { openPostgresSocket, type PostgresTls } from "./socket.ts";
import { invalid, parsePostgresUrl } from "./url.ts";

/** Options of {@linkcode connectPostgres}. */
export interface ConnectPostgresOptions {
  /** What the connections are called in `pg_stat_activity`, unless the URL says. @default {"outpost"} */
  readonly applicationName?: string;
  /** Connections at most; reading needs one at a time, and writing opens one of its own. @default {1} */
  readonly max?: number;
  /** Seconds until a connection attempt is given up, unless the URL says. @default {10} */
  readonly connectTimeoutSeconds?: number;
}

/**
 * Makes a client; it connects with its first query.
 *
 * Understood are `sslmode` (`disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `sslcert`,
 * `sslkey`, `connect_timeout` (seconds), `application_name`, `target_session_attrs`, `host`, `port`, `user`, `password` and
 * `dbname`. What only concerns a pool or another client is left out. Everything else, such as `search_path` and `options`, is
 * a setting of the session.
 *
 * @throws {SettingsError} When the URL or one of its parameters cannot be used. The message never shows the password.
 */
export function connectPostgres(url: string, options: ConnectPostgresOptions = {}): postgres.Sql {
  const { hosts, user, password, database, parameters } = parsePostgresUrl(url);
  const folder = hosts.find(({ host }) => host.startsWith("/"));
  const target = parameters.get("target_session_attrs");
  const connectSeconds = secondsOf(parameters.get("connect_timeout")) ?? options.connectTimeoutSeconds ?? 10;
  const tls = folder === undefined ? tlsOf(parameters) : null;
  return postgres({
    host: hosts.map(({ host }) => host),
    port: hosts.map(({ port }) => port),
    ...(folder === undefined ? {} : { path: `${folder.host}/.s.PGSQL.${folder.port}` }),
    ...(tls === null
      ? {}
      : { socket: () => openPostgresSocket({ hosts, tls, timeoutMs: connectSeconds * 1000 }) }),
    ...(user === null ? {} : { user }),
    ...(database === null ? {} : { database }),
    pass: password ?? "",
    ssl: false,
    max: options.max ?? 1,
    // An idle connection behind a pooler may be the one that another process waits for.
    idle_timeout: 1,
    max_lifetime: null,
    connect_timeout: connectSeconds,
    fetch_types: false,
    // A pooler need not know prepared statements.
    prepare: false,
    onnotice: () => {},
    ...(target === undefined || target === "any" ? {} : { target_session_attrs: sessionAttributes(target) }),
    connection: { application_name: options.applicationName ?? "outpost", ...sessionSettings(parameters) },
    // The declarations do not know the socket, nor a connection that lives as long as it is needed.
  } as unknown as postgres.Options<Record<string, never>>);
}

/** Parameters that are not for the server. */
const CLIENT_PARAMETERS = new Set([
  ...[
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "connect_timeout",
    "client_encoding",
  ],
  ...[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcompression",
  ],
  ...["sslnegotiation", "sslcertmode", "requiressl", "ssl_min_protocol_version", "ssl_max_protocol_version"],
  ...[
    "channel_binding",
    "require_auth",
    "requirepeer",
    "gssencmode",
    "gsslib",
    "gssdelegation",
    "krbsrvname",
  ],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["target_session_attrs", "load_balance_hosts", "service", "fallback_application_name", "replication"],
  ...[
    "default_query_exec_mode",
    "statement_cache_capacity",
    "description_cache_capacity",
    "prefer_simple_protocol",
  ],
  ...["statement_cache_mode", "binary_parameters", "disable_prepared_binary_result", "min_read_buffer_size"],
]);

function sessionSettings(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const settings: Record<string, string> = {};
  const fallback = parameters.get("fallback_application_name");
  if (fallback !== undefined) settings.application_name = fallback;
  for (const [name, value] of parameters) {
    if (!CLIENT_PARAMETERS.has(name) && !/^(pool_|x-)/.test(name)) settings[name] = value;
  }
  return settings;
}

type SessionAttributes = "read-write" | "read-only" | "primary" | "standby" | "prefer-standby";

const SESSION_ATTRIBUTES: readonly string[] = [
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
];

function sessionAttributes(value: string): SessionAttributes {
  if (!SESSION_ATTRIBUTES.includes(value)) {
    throw invalid(`target_session_attrs has to be any, ${SESSION_ATTRIBUTES.join(", ")}`);
  }
  return value as SessionAttributes;
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw invalid("connect_timeout has to be a number of seconds");
  return Number(text);
}

/** How to encrypt, or null for not at all. `allow` encrypts where the server can, as `prefer` does. */
function tlsOf(parameters: ReadonlyMap<string, string>): PostgresTls | null {
  const root = parameters.get("sslrootcert");
  const mode = parameters.get("sslmode") ?? (root === "system" ? "verify-full" : "prefer");
  const authority = root === undefined || root === "system" ? {} : { ca: read("sslrootcert", root) };
  const [certificate, key] = [parameters.get("sslcert"), parameters.get("sslkey")];
  const own = certificate === undefined || key === undefined
    ? {}
    : { cert: read("sslcert", certificate), key: read("sslkey", key) };
  switch (mode) {
    case "disable":
      return null;
    case "allow":
    case "prefer":
      return { required: false, verifyHost: false, options: { ...own, rejectUnauthorized: false } };
    case "require":
      // With a root certificate at hand the usual clients check the chain here as well.
      return {
        required: true,
        verifyHost: false,
        options: root === undefined ? { ...own, rejectUnauthorized: false } : { ...own, ...authority },
      };
    case "verify-ca":
      return { required: true, verifyHost: false, options: { ...own, ...authority } };
    case "verify-full":
      return { required: true, verifyHost: true, options: { ...own, ...authority } };
    default:
      throw invalid("sslmode has to be disable, allow, prefer, require, verify-ca or verify-full");
  }
}

function read(name: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw invalid(`${name} "${path}" cannot be read (${error instanceof Error ? error.name : "unknown"})`);
  }
}
