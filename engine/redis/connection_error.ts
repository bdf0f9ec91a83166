/**
 * Tells apart why Redis did not answer as asked: it cannot be reached, it refuses, or it found fault with a command.
 *
 * @module
 */

import { MigrationError, StoreDeniedError, StoreUnreachableError } from "../errors.ts";

const DENIED = new Set(["NOAUTH", "WRONGPASS", "NOPERM"]);
const UNAVAILABLE = new Set(["LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "UNKILLABLE", "BUSY"]);

/** The word that a Redis error begins with, such as `MOVED` or `WRONGTYPE`; null for anything but a Redis error. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof Error) || !isReply(error)) return null;
  return /^[A-Z]+/.exec(error.message)?.[0] ?? null;
}

function isReply(error: Error): boolean {
  return error.name === "ReplyError" || error.name === "ErrorReply" || error.name === "SimpleError" ||
    error.name === "BlobError";
}

/**
 * Turns what a client threw into an error that names the failure, without any credential.
 *
 * @param action What was tried, as in "Cannot read the state".
 * @returns The given error when it is one of the engine's, or a fault of the command itself.
 */
export function toStoreError(error: unknown, action: string): unknown {
  if (error instanceof MigrationError || !(error instanceof Error)) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    return error;
  }
  const inner = innermost(error);
  const code = replyCode(inner);
  if (code !== null && DENIED.has(code)) {
    return new StoreDeniedError("redis", `${action}: Redis refuses (${code})`, {
      cause: error,
      hint: code === "NOPERM"
        ? "Give the Redis user the rights that the documentation lists"
        : "Check the Redis user name and password",
    });
  }
  if (code !== null && !UNAVAILABLE.has(code)) return error;
  const reason = code ?? (inner as { code?: unknown }).code ?? "the connection is closed";
  return new StoreUnreachableError("redis", `${action}: Redis cannot be reached (${reason})`, {
    cause: error,
    hint: code === "READONLY"
      ? "Point the configuration at the master, this is a replica"
      : "Check the Redis host, port and TLS settings, and that it is running",
  });
}

/** What a cluster client or a retry limit wraps. */
function innermost(error: Error): Error {
  const { lastNodeError, previousErrors } = error as { lastNodeError?: unknown; previousErrors?: unknown };
  if (lastNodeError instanceof Error) return innermost(lastNodeError);
  if (Array.isArray(previousErrors)) {
    const last = previousErrors.at(-1);
    if (last instanceof Error) return innermost(last);
  }
  return error;
}
