import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { connectPostgres } from "../../cli/stores/postgres/client.ts";
import { connectionError } from "../../engine/postgres/errors.ts";
import { StoreUnreachableError } from "../../engine/errors.ts";
import { afterGreeting, errorMessage, greeted, int32, message, welcome } from "../support/fake_postgres.ts";
import { type Behaviour, startFakeServer } from "../support/fake_server.ts";

const SECRET = "Zq7#secret";

/** What connecting ends with, and what the server has heard of it. */
async function attempt(behaviour: Behaviour, query = "") {
  await using server = startFakeServer(behaviour);
  const patience = query.includes("connect_timeout") ? "" : "&connect_timeout=3";
  const url = `postgres://u:${encodeURIComponent(SECRET)}@127.0.0.1:${server.port}/d?${query}${patience}`;
  const client = connectPostgres(url);
  try {
    const error = await client.unsafe("SELECT 1").then(() => null, (error: unknown) => error);
    assert(!Deno.inspect(error, { depth: 10 }).includes(SECRET));
    return { error, heard: server.heard(), connections: server.connections() };
  } finally {
    await client.end({ timeout: 0 });
  }
}

async function refused(behaviour: Behaviour, query: string, reason: string) {
  const { error, heard, connections } = await attempt(behaviour, query);
  const told = connectionError(error, "Cannot read", "there");
  const message = told instanceof StoreUnreachableError ? told.message : Deno.inspect(told);
  assertStringIncludes(message, `Cannot read at there: `);
  assertStringIncludes(message, reason);
  assert(!heard.includes(SECRET), "the password went out in the clear");
  assert(connections <= 2, `tried ${connections} times`);
  return heard;
}

const CLEARTEXT = message("R", 3);
const MD5 = message("R", 5, new Uint8Array([1, 2, 3, 4]));
const SCRAM = message("R", 10, "SCRAM-SHA-256\0\0");

Deno.test("connectPostgres() sends no password to a server without TLS where TLS was asked for", async () => {
  const queries = ["sslmode=require", "sslmode=verify-ca", "requiressl=1", "ssl=true", "sslrootcert=system"];
  for (const query of queries) await refused(afterGreeting(CLEARTEXT), query, "offers no TLS");
});

Deno.test("connectPostgres() logs in only as require_auth allows", async () => {
  const strong = "require_auth=scram-sha-256";
  await refused(afterGreeting(CLEARTEXT), strong, "asks for password, which require_auth does not allow");
  await refused(afterGreeting(MD5), strong, "asks for md5, which require_auth does not allow");
  await refused(afterGreeting(welcome()), strong, "lets anybody in, which require_auth does not allow");
  await refused(afterGreeting(SCRAM), "require_auth=!scram-sha-256", "asks for scram-sha-256");
  await refused(afterGreeting(MD5), "require_auth=none", "asks for md5");
  const { heard } = await attempt(
    afterGreeting(CLEARTEXT, errorMessage({ S: "FATAL", C: "28P01", M: "no" })),
  );
  assertStringIncludes(heard, SECRET, "without it the password is what the server gets, as from any client");
});

Deno.test("connectPostgres() believes no server that leaves its own proof away, or counts to infinity", async () => {
  const proofless: Behaviour = async (connection) => {
    if (!await greeted(connection)) return;
    await connection.write(SCRAM);
    await connection.read();
    await connection.write(welcome());
    await connection.gone();
  };
  await refused(proofless, "", "did not prove itself");
  const challenge = (text: string): Behaviour => async (connection) => {
    if (!await greeted(connection)) return;
    await connection.write(SCRAM);
    const asked = new TextDecoder().decode(await connection.read() ?? new Uint8Array());
    await connection.write(message("R", 11, text.replace("NONCE", /r=([^,]+)$/.exec(asked)?.[1] ?? "")));
    await connection.gone();
  };
  for (const text of ["r=NONCEx,s=AAAA,i=2000000000", "r=NONCEx,s=AAAA,i=0", "i=1", "", "r=,s=,i=NaN"]) {
    await refused(challenge(text), "", "makes no sense");
  }
  await refused(afterGreeting(message("R", 11, "r=x,s=AAAA,i=1")), "", "out of order");
  await refused(afterGreeting(message("R", 7)), "", "not supported");
  await refused(afterGreeting(message("R", 10, "SCRAM-SHA-1\0\0")), "", "not supported");
  await refused(afterGreeting(message("Z", "I")), "", "skipped the login");
});

Deno.test("connectPostgres() gives up at once where something else answers, or nothing", async () => {
  const http: Behaviour = async (connection) => {
    await connection.read();
    await connection.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    connection.close();
  };
  for (const mode of ["disable", "prefer", "require", "verify-full"]) {
    await refused(http, `sslmode=${mode}`, "does not speak Postgres' protocol");
  }
  for (const mode of ["disable", "prefer", "require"]) {
    await refused((connection) => connection.close(), `sslmode=${mode}`, "connection reset");
    await refused((connection) => connection.gone(), `sslmode=${mode}&connect_timeout=1`, "");
  }
  await refused(
    async (connection) => {
      await greeted(connection);
      connection.close();
    },
    "",
    "connection reset",
  );
});

Deno.test("connectPostgres() takes nothing that stands in the clear behind the agreement to encrypt", async () => {
  const stuffed: Behaviour = async (connection) => {
    await connection.read(8);
    await connection.write(new Uint8Array([..."S".split("").map((c) => c.charCodeAt(0)), ...welcome()]));
    await connection.gone();
  };
  for (const mode of ["prefer", "require"]) await refused(stuffed, `sslmode=${mode}`, "does not speak");
});

Deno.test("connectPostgres() buffers no message and no answer without an end", async () => {
  const huge = new Uint8Array([..."D".split("").map((c) => c.charCodeAt(0)), ...int32(0x7fffffff)]);
  const announced: Behaviour = async (connection) => {
    if (!await greeted(connection)) return;
    await connection.write(welcome());
    await connection.read();
    await connection.write(huge);
    const chunk = new Uint8Array(65536);
    while (await connection.write(chunk));
  };
  const before = Deno.memoryUsage().rss;
  await refused(announced, "", "larger than any that was asked for");
  await refused(afterGreeting(message("R", 0), huge), "", "does not speak Postgres' protocol");
  await refused(
    afterGreeting(new Uint8Array([82, ...int32(1_000_000)])),
    "",
    "larger than any that was asked for",
  );
  const notices: Behaviour = async (connection) => {
    if (!await greeted(connection)) return;
    await connection.write(welcome());
    await connection.read();
    const notice = message("N", "x".repeat(1_000_000), "\0\0");
    while (await connection.write(notice));
  };
  await refused(notices, "", "larger than any that was asked for");
  assert(Deno.memoryUsage().rss - before < 500_000_000, "what was refused was kept");
});

Deno.test("connectPostgres() asks several hosts in turn, also for the one that may write", async () => {
  await using dead = startFakeServer((connection) => connection.close());
  await using fatal = startFakeServer(
    afterGreeting(errorMessage({ S: "FATAL", V: "FATAL", C: "57P03", M: "starting up" })),
  );
  const url = `postgres://u@127.0.0.1:${dead.port},127.0.0.1:${fatal.port}/d?connect_timeout=3`;
  for (const attributes of ["any", "read-write", "primary", "prefer-standby"]) {
    const client = connectPostgres(`${url}&target_session_attrs=${attributes}`);
    const error = await client.unsafe("SELECT 1").then(
      () => null,
      (error: Error & { code?: string }) => error,
    );
    await client.end({ timeout: 0 });
    assert(["57P03", "ECONNRESET"].includes(error?.code ?? ""), Deno.inspect(error));
  }
  assertEquals(dead.connections() > 0 && fatal.connections() > 0, true);
});
