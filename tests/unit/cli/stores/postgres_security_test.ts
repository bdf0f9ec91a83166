import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { AUTH_METHODS, securityOf } from "../../../../cli/stores/postgres/security.ts";
import { parsePostgresUrl } from "../../../../cli/stores/postgres/url.ts";

const secured = (query: string) =>
  securityOf(parsePostgresUrl(`postgres://u:SECRET@h/d?${query}`).parameters);

function refusal(query: string): string {
  const error = assertThrows(() => secured(query), SettingsError);
  assert(!Deno.inspect(error).includes("SECRET"));
  return error.message;
}

Deno.test("securityOf() encrypts as sslmode says, and as its older spellings do", () => {
  const told = (query: string) => {
    const { tls } = secured(query);
    return tls === null ? null : [tls.required, tls.verifyChain, tls.verifyHost];
  };
  assertEquals(told("sslmode=disable"), null);
  for (const query of ["", "sslmode=prefer", "sslmode=allow", "requiressl=0"]) {
    assertEquals(told(query), [false, false, false], query);
  }
  for (const query of ["sslmode=require", "requiressl=1", "ssl=true", "requiressl=1&sslmode=require"]) {
    assertEquals(told(query), [true, false, false], query);
  }
  assertEquals(told("sslmode=verify-ca"), [true, true, false]);
  assertEquals(told("sslmode=verify-full&requiressl=1"), [true, true, true]);
  assertEquals(told("sslrootcert=system"), [true, true, true]);
});

Deno.test("securityOf() refuses parameters that weaken what another one asks for", () => {
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca"]) {
    assertStringIncludes(refusal(`sslrootcert=system&sslmode=${mode}`), "needs sslmode=verify-full");
  }
  for (const query of ["requiressl=1&sslmode=prefer", "ssl=true&sslmode=disable"]) {
    assertStringIncludes(refusal(query), "contradicts");
  }
  for (const mode of ["", "&sslmode=prefer", "&sslmode=disable"]) {
    assertStringIncludes(refusal(`sslnegotiation=direct${mode}`), "needs sslmode=require");
  }
  assertStringIncludes(
    refusal("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2"),
    "is above",
  );
  assertStringIncludes(refusal("sslcert=/some/file"), "need each other");
});

Deno.test("securityOf() refuses what cannot be honoured, by its name", () => {
  for (
    const query of [
      "channel_binding=require",
      "sslcrl=/some/file",
      "sslcrldir=/some/folder",
      "requirepeer=postgres",
      "gssencmode=require",
      "sslcertmode=require",
      "sslsni=0",
      "sslcompression=1",
      "sslpassword=x",
      "passfile=/some/file",
      "service=x",
      "ssl_max_protocol_version=TLSv1.1",
    ]
  ) assertStringIncludes(refusal(query), query.split("=")[0]!);
});

Deno.test("securityOf() refuses values and spellings that make no sense", () => {
  for (
    const query of [
      "sslmode=Verify-Full",
      "ssl=yes",
      "requiressl=true",
      "sslnegotiation=fast",
      "channel_binding=yes",
      "ssl_min_protocol_version=1.2",
      "require_auth=scram",
      "require_auth=md5,!password",
      "sslMode=verify-full",
      "ssl_mode=verify-full",
      "SSLROOTCERT=system",
      "requireauth=md5",
    ]
  ) refusal(query);
});

Deno.test("securityOf() reads versions of TLS and ways to log in", () => {
  const { tls } = secured("ssl_min_protocol_version=TLSv1&ssl_max_protocol_version=TLSv1.3");
  assertEquals([tls!.minVersion, tls!.maxVersion], ["TLSv1.2", "TLSv1.3"]);
  const auth = (query: string) => [...secured(query).auth];
  assertEquals(auth(""), [...AUTH_METHODS]);
  assertEquals(auth("require_auth=scram-sha-256"), ["scram-sha-256"]);
  assertEquals(auth("require_auth=md5,%20scram-sha-256"), ["md5", "scram-sha-256"]);
  assertEquals(auth("require_auth=!password,!md5"), ["none", "scram-sha-256", "gss", "sspi", "oauth"]);
  assertEquals(auth("channel_binding=prefer&gssencmode=disable&sslcertmode=allow"), [...AUTH_METHODS]);
});
