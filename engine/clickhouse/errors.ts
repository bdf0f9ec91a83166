/**
 * Tells what an error of the client or the server means, by its code.
 *
 * @module
 */

import { ClickHouseError } from "@clickhouse/client";
import { foreignText, withoutQuoted } from "../foreign_text.ts";
import { type Hint, hint } from "../hint.ts";
import { MigrationError, StoreDeniedError, StoreUnreachableError } from "../errors.ts";

/** Authentication failed, wrong password, required password, unknown user. */
const UNKNOWN = new Set(["516", "193", "194", "192"]);
const ACCESS_DENIED = "497";

/** What to do where a right is missing. */
export const GRANTS_HINT: Hint = {
  ...hint`Give the ClickHouse user the rights that ${"grants"} shows`,
  forCallers: "Give the ClickHouse user the rights that it lacks",
};

/**
 * Turns an error met while reading or writing into one of the engine's.
 *
 * @param action What was attempted, for example `Cannot read the migrations in ClickHouse`.
 * @returns The error itself when it says nothing about the connection.
 */
export function connectionError(error: unknown, action: string): unknown {
  if (!(error instanceof Error) || error instanceof MigrationError) return error;
  if (error instanceof ClickHouseError) {
    if (error.code === ACCESS_DENIED) {
      const lacking = /have the grant (.+?)(?:\.?\s*\(|$)/s.exec(error.message)?.[1];
      const told = lacking === undefined ? toldByClickHouse(error) : `the user lacks ${foreignText(lacking)}`;
      return new StoreDeniedError("clickhouse", `${action}: ${told}`, { cause: error, hint: GRANTS_HINT });
    }
    if (UNKNOWN.has(error.code)) {
      return new StoreDeniedError("clickhouse", `${action}: ${toldByClickHouse(error)}`, {
        cause: error,
        hint: "Check the user and its password",
      });
    }
    if (error.code === "81") {
      return new StoreUnreachableError("clickhouse", `${action}: there is no such database`, {
        cause: error,
        hint: "Check the name of the database",
      });
    }
    return error;
  }
  const code = OWN_PROTOCOL.test(error.message)
    ? "OWN_PROTOCOL"
    : error.name === NO_HTTP
    ? "NO_HTTP"
    : "code" in error && typeof error.code === "string"
    ? error.code
    : null;
  // The client reports its own timeouts and a dropped connection without a code.
  if (code === null && !/^(Timeout error|socket hang up)/i.test(error.message)) return error;
  return new StoreUnreachableError("clickhouse", `${action}: ${REASONS[code ?? ""] ?? code ?? "timed out"}`, {
    cause: error,
    hint: "Check that ClickHouse runs and that its address names host and HTTP port",
  });
}

/** What a server says at a port where it speaks its own protocol. */
const OWN_PROTOCOL = /^Port \d+ is for clickhouse-client/;

/** What older Denos call the error, which has no code, of an answer that they cannot read. */
const NO_HTTP = "Http";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  ETIMEDOUT: "timed out",
  NO_HTTP: "what answers there does not speak HTTP",
  OWN_PROTOCOL: "it speaks its own protocol at that port, and not HTTP",
};

/** The first sentence of what ClickHouse said, without what it quotes: values of rows, and parts of the query. */
export function toldByClickHouse(error: Error): string {
  return foreignText(withoutQuoted(error.message.split(/\.\s/, 1)[0]!.replace(/\.$/, "")));
}
