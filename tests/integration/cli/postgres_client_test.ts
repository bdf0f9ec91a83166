import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SettingsError } from "../../../cli/errors.ts";
import { connectPostgres } from "../../../cli/stores/postgres/client.ts";
import { StoreDeniedError, StoreUnreachableError } from "../../../engine/errors.ts";
import { startPostgres } from "../../support/postgres.ts";
import { secureServer } from "../../support/secure_postgres.ts";
import { freePort, makeServerFolder } from "../../support/server.ts";
import { backendOver } from "../postgres/deployment.ts";

const PASSWORD = "p@ss/w?rd#%:é &=";

/** What a connection is like, or the code of what went wrong. */
async function connected(url: string): Promise<Record<string, unknown> | string> {
  const sql = connectPostgres(url);
  try {
    const [row] = await sql.unsafe(`
      SELECT current_user AS user, current_schema() AS schema, current_setting('application_name') AS name,
             current_setting('work_mem') AS work_mem, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted`);
    return row!;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    assert(!Deno.inspect(error, { depth: 10 }).includes(PASSWORD));
    return "code" in error && typeof error.code === "string" ? error.code : error.name;
  } finally {
    await sql.end({ timeout: 0 });
  }
}

Deno.test("connectPostgres() encrypts and checks certificates as sslmode says", async () => {
  const directory = await makeServerFolder("outpost-certificates-");
  try {
    await using secure = await secureServer(directory);
    await using plain = await startPostgres();
    const encrypted = async (query: string, { host = "localhost", port = secure.port } = {}) => {
      const found = await connected(
        `postgres://postgres@${host}:${port}/postgres?connect_timeout=20&${query}`,
      );
      return typeof found === "string" ? false : found.encrypted;
    };
    const [ca, other] = [`sslrootcert=${directory}/ca.crt`, `sslrootcert=${directory}/other.crt`];
    assertEquals(await connected(`postgres://postgres@localhost:${secure.port}/postgres?sslmode=disable`), {
      user: "postgres",
      schema: "public",
      name: "outpost",
      work_mem: "4MB",
      encrypted: false,
    });
    for (const mode of ["sslmode=allow", "sslmode=prefer", "sslmode=require", ""]) {
      assertEquals(await encrypted(mode), true, mode);
    }
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      assertEquals(await encrypted(`sslmode=${mode}&${ca}`), true, mode);
      assertEquals(await encrypted(`sslmode=${mode}&${other}`), false, `${mode} with another authority`);
      assertEquals(
        await encrypted(`sslmode=${mode}&${ca}`, { port: plain.port }),
        false,
        `${mode} without TLS`,
      );
    }
    assertEquals(await encrypted(`sslmode=verify-ca`), false, "an authority that the system does not know");
    assertEquals(await encrypted(`sslmode=verify-full&${ca}`, { host: "127.0.0.1" }), false, "another name");
    assertEquals(
      await encrypted(`sslmode=verify-ca&${ca}`, { host: "127.0.0.1" }),
      true,
      "the name does not count",
    );
    assertEquals(
      await encrypted(`sslmode=verify-full&${ca}&hostaddr=127.0.0.1`),
      true,
      "the name is what the certificate is for, wherever it is looked for",
    );
    assertEquals(
      await encrypted(`sslmode=verify-full&${ca}&hostaddr=127.0.0.1`, { host: "elsewhere" }),
      false,
    );
    const prefer = await connected(`postgres://postgres@127.0.0.1:${plain.port}/postgres`);
    assertEquals((prefer as Record<string, unknown>).encrypted, false);
    assertEquals(
      await connected(`postgres://postgres@127.0.0.1:${plain.port}/postgres?sslmode=require`),
      "TLS_REFUSED",
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("connectPostgres() passes on credentials, settings, sockets and several hosts, and shows no password", async () => {
  const directory = await makeServerFolder("outpost-certificates-");
  try {
    await using server = await secureServer(directory);
    const admin = server.client(await server.createDatabase("log"), { max: 1 });
    await admin.unsafe(
      `CREATE ROLE "we ird" LOGIN PASSWORD '${PASSWORD}'; CREATE SCHEMA s1; GRANT USAGE ON SCHEMA s1 TO "we ird"`,
    );
    const [{ folder } = { folder: "" }] = await admin<
      { folder: string }[]
    >`SELECT current_setting('unix_socket_directories') AS folder`;
    const who = `we%20ird:${encodeURIComponent(PASSWORD)}`;
    assertEquals(
      await connected(
        `postgresql://${who}@localhost:${server.port}/log?search_path=s1&application_name=mine&options=-c%20work_mem%3D1234kB&pool_max_conns=7`,
      ),
      { user: "we ird", schema: "s1", name: "mine", work_mem: "1234kB", encrypted: true },
    );
    for (
      const url of [
        `postgres://postgres@/log?host=${folder}&port=${server.port}`,
        `postgres://postgres@${encodeURIComponent(folder)}:${server.port}/log?sslmode=require`,
        `postgres:///log?host=${folder}&port=${server.port}&user=postgres`,
        `postgres://postgres@127.0.0.1:${freePort()},127.0.0.1:${server.port}/log?target_session_attrs=read-write`,
      ]
    ) assertEquals((await connected(url) as Record<string, unknown>).user, "postgres", url);
    assertEquals(await connected(`postgres://we%20ird:wrong@localhost:${server.port}/log`), "28P01");
    assertEquals(await connected(`postgres://${who}@localhost:${server.port}/log?sslmode=disable`), "28000");
    assertEquals(await connected(`postgres://${who}@localhost:${server.port}/missing`), "3D000");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("connectPostgres() fails with errors of the engine, and connects once the server is there", async () => {
  const port = freePort();
  const sql = connectPostgres(`postgres://someone:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/log`);
  try {
    const backend = backendOver(sql);
    for (const attempt of [() => backend.read(), () => backend.read(), () => backend.connect()]) {
      const error = await assertRejects(attempt, StoreUnreachableError, "connection refused");
      assert(!Deno.inspect(error, { depth: 10 }).includes(PASSWORD));
      assert(error.hint !== undefined);
    }
    await using server = await startPostgres({ port: String(port) });
    const admin = server.client(`postgres://postgres@127.0.0.1:${port}/postgres`, { max: 1 });
    assertInstanceOf(await backend.read().catch((error) => error), StoreDeniedError, "the role is missing");
    await admin`CREATE ROLE someone LOGIN`;
    assertInstanceOf(
      await backend.read().catch((error) => error),
      StoreUnreachableError,
      "the database is missing",
    );
    await admin`CREATE DATABASE log`;
    assertEquals((await backend.read()).version, 0);
  } finally {
    await sql.end({ timeout: 0 });
  }
});

Deno.test("connectPostgres() refuses parameters that make no sense, without connecting", () => {
  for (
    const query of [
      "sslmode=maybe",
      "sslrootcert=/missing.crt&sslmode=verify-ca",
      "connect_timeout=soon",
      "target_session_attrs=x",
    ]
  ) {
    assertThrows(
      () => connectPostgres(`postgres://u:${encodeURIComponent(PASSWORD)}@h/d?${query}`),
      SettingsError,
    );
  }
});

Deno.test("a parameter of the URL that is no setting of the server is told as that", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  for (const parameter of ["serach_path=a", "work_mem=much", "options=-c%20search_path%3Da+b"]) {
    const sql = connectPostgres(`${url}?${parameter}`);
    const error = await assertRejects(() => backendOver(sql).read(), StoreUnreachableError);
    assertStringIncludes(error.hint ?? "", "Check the parameters of the Postgres URL");
    await sql.end({ timeout: 0 });
  }
});
