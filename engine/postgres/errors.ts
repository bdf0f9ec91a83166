/**
 * Tells what an error of the client or the server means, by its code.
 *
 * @module
 */

import { adviceFor, deniedHint } from "./advice.ts";
import { foreignText } from "../foreign_text.ts";
import { toldByServer } from "./server_message.ts";
import { MigrationError, StoreDeniedError, StoreUnreachableError } from "../errors.ts";

/** An error that the server sent. */
export interface ServerError extends Error {
  /** SQLSTATE, for example `55P03`. */
  readonly code: string;
  /** `ERROR`, or `FATAL` where the connection ends with it. */
  readonly severity?: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Characters from the start of the statement, counted from 1. */
  readonly position?: string;
  /** The server's function that found fault. */
  readonly routine?: string;
}

/** True for an error that the server sent, false for one of the client or the network. */
export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "severity" in error && "code" in error && typeof error.code === "string";
}

/** True when a lock could not be had in time, or a deadlock was broken: the same again may succeed. */
export function isLockTimeout(error: unknown): boolean {
  return isServerError(error) && (error.code === "55P03" || error.code === "40P01");
}

/** True when the server undid something for somebody else's sake: the same again may succeed. */
export function isTransient(error: unknown): boolean {
  return isLockTimeout(error) || (isServerError(error) && error.code === "40001");
}

/** True when nothing more can come over the connection that this error came from. */
export function isConnectionGone(error: unknown): boolean {
  if (!isServerError(error)) {
    return error instanceof Error && "code" in error && !(error instanceof MigrationError);
  }
  return error.code.startsWith("08") || ["57P01", "57P02", "57P05", "25P03", "25P04"].includes(error.code);
}

const DENIED = new Set(["28000", "28P01", "42501"]);

// Classes of what passes or is somebody else's doing: the connection, rolled back for another's sake, no room, limits, not in the
// state for it, an operator, a fault of the system or of the server.
const NOT_NOW = /^(08|40|53|54|55|57|58|XX)|^(25006|3D000|25P03|25P04)$/;

/**
 * Turns an error met while connecting or reading into one of the engine's.
 *
 * @param error What was thrown.
 * @param action What was attempted, for example `Cannot read the migrations in Postgres`.
 * @param where Host and port, or the socket's folder; never credentials.
 * @returns The error itself when it says nothing about the connection.
 */
export function connectionError(error: unknown, action: string, where: string): unknown {
  if (!(error instanceof Error) || error instanceof MigrationError) return error;
  if (isServerError(error)) {
    if (DENIED.has(error.code)) {
      const hint = error.code === "42501" ? deniedHint(error) : "Check user and password in the Postgres URL";
      return new StoreDeniedError("postgres", `${action} at ${where}: ${toldByServer(error).message}`, {
        hint,
        cause: error,
      });
    }
    if (NOT_NOW.test(error.code) || isWrongSetting(error)) {
      return unreachable(error, action, where);
    }
    return error;
  }
  if (!isNetworkError(error)) return error;
  return new StoreUnreachableError("postgres", `${action} at ${where}: ${reasonOf(error)}`, {
    hint: isTlsError(error) ? "Check sslmode and sslrootcert in the Postgres URL" : HINT,
    cause: error,
  });
}

/**
 * The same for a connection that writes: whatever the server said is the store's failure.
 */
export function storeError(error: unknown, action: string, where: string): unknown {
  const known = connectionError(error, action, where);
  return isServerError(known) ? unreachable(known, action, where) : known;
}

function unreachable(error: ServerError, action: string, where: string): StoreUnreachableError {
  const hint = error.code === "3D000"
    ? "Check the name of the database in the Postgres URL"
    : isWrongSetting(error)
    ? "Check the parameters of the Postgres URL: what no client knows is taken for a setting of the server, and this is none"
    : adviceFor(error) ?? HINT;
  return new StoreUnreachableError("postgres", `${action} at ${where}: ${toldByServer(error).message}`, {
    hint,
    cause: error,
  });
}

/** What is wrong with a setting of the URL ends a connection before it begins. */
function isWrongSetting({ code, severity }: ServerError): boolean {
  return severity === "FATAL" && /^(42601|42704|22023)$/.test(code);
}

const HINT = "Check that Postgres runs and that the Postgres URL names its host and port";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection closed",
  ENOENT: "no such socket",
  EACCES: "no access to the socket",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  ETIMEDOUT: "timed out",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the host",
  TLS_REFUSED: "the server offers no TLS, which sslmode asks for",
  CONNECT_TIMEOUT: "timed out",
  CONNECTION_CLOSED: "connection closed",
  CONNECTION_ENDED: "connection closed",
  CONNECTION_DESTROYED: "connection closed",
};

/** True for an error of the network below a connection, or of the client that lost it. */
export function isNetworkError(error: Error): boolean {
  if ("code" in error && typeof error.code === "string") {
    return error.code in REASONS ||
      /^(E[A-Z]+|ERR_(TLS|SSL|OSSL)\w*|[A-Z_]*CERT[A-Z_]*|UNABLE_TO_\w+)$/.test(error.code);
  }
  return ["InvalidData", "NotFound", "ConnectionRefused", "ConnectionReset", "UnexpectedEof"].includes(
    error.name,
  );
}

function isTlsError(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return code === "InvalidData" || /TLS|SSL|CERT|VERIFY/.test(code);
}

function reasonOf(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return REASONS[code] ?? foreignText(sentence(error.message));
}

function sentence(message: string): string {
  return message.replace(/\.$/, "");
}

/** Where a client connects to: `host:port`, or the path of the socket. Without credentials. */
export function whereOf(
  options: { readonly host: readonly string[]; readonly port: readonly number[] },
): string {
  return options.host.map((host, i) => {
    if (host.startsWith("/")) return host;
    return `${/^[0-9a-f:]*:[0-9a-f:]*$/i.test(host) ? `[${host}]` : host}:${options.port[i] ?? 5432}`;
  }).join(", ");
}
