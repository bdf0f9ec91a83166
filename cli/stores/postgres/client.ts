/**
 * Makes a Postgres client from a URL, with every usual parameter.
 *
 * @module
 */

import postgres from "postgres";
import { acceptHost, SESSION_ATTRIBUTES, type SessionAttributes } from "./accept_host.ts";
import { SECURITY_PARAMETERS, securityOf } from "./security.ts";
import { openPostgresSocket } from "./socket.ts";
import { invalid, parsePostgresUrl, type PostgresHost } from "./url.ts";

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
 * Understood are the parameters that `securityOf()` reads, and `connect_timeout` (seconds), `application_name`,
 * `target_session_attrs`, `host`, `hostaddr`, `port`, `user`, `password` and `dbname`. What only concerns a pool or another
 * client is left out. Everything else, such as `search_path` and `options`, is a setting of the session.
 *
 * @throws {SettingsError} When the URL or one of its parameters cannot be used. The message never shows the password.
 */
export function connectPostgres(url: string, options: ConnectPostgresOptions = {}): postgres.Sql {
  const { hosts, user, password, database, parameters } = parsePostgresUrl(url);
  const wanted = sessionAttributes(parameters.get("target_session_attrs"));
  const connectSeconds = secondsOf(parameters.get("connect_timeout")) ?? options.connectTimeoutSeconds ?? 10;
  const target = { hosts, security: securityOf(parameters), timeoutMs: connectSeconds * 1000 };
  const common = {
    ...(user === null ? {} : { user }),
    ...(database === null ? {} : { database }),
    pass: password ?? "",
    ssl: false,
    connect_timeout: connectSeconds,
    fetch_types: false,
    // A pooler need not know prepared statements.
    prepare: false,
    onnotice: () => {},
    connection: { application_name: options.applicationName ?? "outpost", ...sessionSettings(parameters) },
  };
  const accept = wanted === "any" ? undefined : acceptHost(wanted, target, common);
  return postgres({
    ...common,
    ...placeOf(hosts),
    socket: () => openPostgresSocket({ ...target, ...(accept === undefined ? {} : { accept: accept() }) }),
    max: options.max ?? 1,
    // An idle connection behind a pooler may be the one that another process waits for.
    idle_timeout: 1,
    max_lifetime: null,
    // The declarations do not know the socket, nor a connection that lives as long as it is needed.
  } as unknown as postgres.Options<Record<string, never>>);
}

/** What the client calls the place in messages: with more than one host it would swallow the errors of all. */
function placeOf(hosts: readonly PostgresHost[]): { readonly host: string[]; readonly port: number[] } {
  const last = hosts.at(-1)!;
  const before = hosts.slice(0, -1).map(({ host, port }) => `${host}:${port}, `).join("");
  return { host: [`${before}${last.host}`], port: [last.port] };
}

/** Parameters that are not for the server. */
const CLIENT_PARAMETERS = new Set([
  ...SECURITY_PARAMETERS,
  ...["host", "hostaddr", "port", "user", "password", "dbname", "connect_timeout", "client_encoding"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["target_session_attrs", "load_balance_hosts", "fallback_application_name", "replication"],
  ...["default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity"],
  ...["prefer_simple_protocol", "statement_cache_mode", "binary_parameters"],
  ...["disable_prepared_binary_result", "min_read_buffer_size"],
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

function sessionAttributes(value = "any"): "any" | SessionAttributes {
  if (value === "any" || value === "") return "any";
  const known = SESSION_ATTRIBUTES.find((word) => word === value);
  if (known === undefined) {
    throw invalid(`target_session_attrs has to be any, ${SESSION_ATTRIBUTES.join(", ")}`);
  }
  return known;
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,6}$/.test(text)) throw invalid("connect_timeout has to be a number of seconds");
  return Number(text);
}
