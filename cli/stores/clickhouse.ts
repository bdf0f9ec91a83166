/**
 * Connects to ClickHouse as the settings say.
 *
 * @module
 */

import { Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { SettingsError } from "../errors.ts";
import { parseClickHouseAddress } from "./clickhouse_address.ts";
import { endSilence } from "./clickhouse_silence.ts";

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
  const encrypted = address.encrypted ?? tls;
  const user = username === "" ? address.username ?? "" : username;
  const secret = password === "" ? address.password ?? "" : password;
  return endSilence(createClient({
    url: `${encrypted ? "https" : "http"}://${address.place}`,
    http_agent: boundedAgent(encrypted),
    database,
    ...(user === "" ? {} : { username: user }),
    ...(secret === "" ? {} : { password: secret }),
    request_timeout: 600_000, // Of a server that answers in between: a large count may take long.
    application: "outpost",
    // The engine reports every failure itself; the client would print it, query and all.
    log: { level: ClickHouseLogLevel.OFF },
  }));
}

/** Bytes of one answer at most: bookkeeping, counts and the catalogue take kilobytes. */
const LONGEST_ANSWER = 8 * 1024 * 1024;
/** What the client would choose by itself. */
const CONNECTIONS = { keepAlive: true, maxSockets: 10 };

/** Lets no answer grow without an end: the client would collect it until there is no memory left. */
function boundedAgent(encrypted: boolean): Agent {
  const agent = encrypted ? new SecureAgent(CONNECTIONS) : new Agent(CONNECTIONS);
  const inner = agent as unknown as { addRequest(request: ClientRequest, ...rest: unknown[]): void };
  const addRequest = inner.addRequest.bind(agent);
  inner.addRequest = (request, ...rest) => {
    request.prependOnceListener("response", bound);
    addRequest(request, ...rest);
  };
  return agent;
}

function bound(response: IncomingMessage): void {
  let size = 0;
  const push = response.push.bind(response);
  response.push = (chunk: Uint8Array | null, ...rest) => {
    size += chunk?.length ?? 0;
    if (size <= LONGEST_ANSWER) return push(chunk, ...rest);
    const message = "the server's answer is larger than any that was asked for";
    response.destroy(Object.assign(new Error(message), { code: "EMSGSIZE" }));
    return false;
  };
}

/** What tells this database from another, without secrets. */
export function clickhouseIdentity({ addr, database }: ClickHouseSettings): string {
  return `${parseClickHouseAddress(addr).place}/${database}`;
}
