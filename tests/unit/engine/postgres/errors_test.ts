import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { RefusedError, StoreDeniedError, StoreUnreachableError } from "../../../../engine/errors.ts";
import { connectionError, isConnectionGone, isLockTimeout } from "../../../../engine/postgres/errors.ts";

const client = (code: string, message = "raw") => Object.assign(new Error(message), { code });
const server = (code: string, message = "raw.") =>
  Object.assign(new Error(message), { code, severity: "ERROR" });

Deno.test("connectionError() tells what cannot be reached from what refuses", () => {
  for (
    const code of [
      "ECONNREFUSED",
      "ENOTFOUND",
      "CONNECT_TIMEOUT",
      "CONNECTION_CLOSED",
      "SELF_SIGNED_CERT_IN_CHAIN",
    ]
  ) {
    assertInstanceOf(connectionError(client(code), "Cannot read", "db:5432"), StoreUnreachableError, code);
  }
  for (const code of ["3D000", "53300", "57P03", "57P01", "08P01"]) {
    assertInstanceOf(connectionError(server(code), "Cannot read", "db:5432"), StoreUnreachableError, code);
  }
  for (const code of ["28P01", "28000", "42501"]) {
    assertInstanceOf(connectionError(server(code), "Cannot read", "db:5432"), StoreDeniedError, code);
  }
});

Deno.test("connectionError() names action and place, without a final period", () => {
  const error = connectionError(client("ECONNREFUSED"), "Cannot read", "db:5432") as StoreUnreachableError;
  assertEquals(error.message, "Cannot read at db:5432: connection refused");
  const denied = connectionError(server("28P01", "no."), "Cannot read", "db:5432") as StoreDeniedError;
  assertEquals(denied.message, "Cannot read at db:5432: no");
});

Deno.test("connectionError() passes on what says nothing about the connection", () => {
  for (const error of [server("42P01"), new TypeError("x"), new RefusedError("x"), "text"]) {
    assertStrictEquals(connectionError(error, "Cannot read", "db"), error);
  }
});

Deno.test("isLockTimeout() and isConnectionGone() judge by the code", () => {
  assertEquals(["55P03", "40P01", "57014", "23505"].map((code) => isLockTimeout(server(code))), [
    true,
    true,
    false,
    false,
  ]);
  assertEquals(isLockTimeout(client("55P03")), false);
  assertEquals(["57P01", "08006", "25P03", "55P03"].map((code) => isConnectionGone(server(code))), [
    true,
    true,
    true,
    false,
  ]);
  assertEquals(isConnectionGone(client("ECONNRESET")), true);
  assertEquals(isConnectionGone(new RefusedError("x")), false);
});
