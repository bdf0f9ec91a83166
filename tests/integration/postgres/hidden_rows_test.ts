import type postgres from "postgres";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MigrationError } from "../../../engine/errors.ts";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres.ts";
import { backendOver, everything, fill, locked, migrateTo, running } from "./deployment.ts";

/** A role that owns the tables of a database at version 4, and is no superuser: policies hold for it. */
async function ownedBy(server: PostgresServer, role: string): Promise<[postgres.Sql, postgres.Sql]> {
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  await admin.unsafe(`CREATE ROLE ${role} LOGIN; GRANT ALL ON SCHEMA public TO ${role};
    GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${role}`);
  const sql = server.client(url.replace("postgres@", `${role}@`), { max: 2 });
  await migrateTo(backendOver(sql), 4);
  await fill(sql);
  return [admin, sql];
}

for (const table of ["events", "deliveries", "event_delivery_index"]) {
  Deno.test(`up() refuses where a policy hides rows of ${table}, and says the way out`, async () => {
    await using server = await startPostgres();
    const [admin, sql] = await ownedBy(server, "app");
    await admin.unsafe(
      `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
    );
    const before = await everything(admin);
    const backend = backendOver(sql);
    {
      await using session = await locked(backend);
      const error = await assertRejects(() => session.up(5, running()), StepFailedError);
      assertEquals(error.failure.serverCode, "42501");
      assertStringIncludes(error.hint!, "NO FORCE ROW LEVEL SECURITY");
    }
    assertEquals(await everything(admin), before);
    const planned = await assertRejects(() => backend.plan([5]), MigrationError);
    assertStringIncludes(planned.hint!, "NO FORCE ROW LEVEL SECURITY");
    await admin.unsafe(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
    await migrateTo(backend, 5);
  });
}

Deno.test("read() refuses bookkeeping whose rows a policy hides, instead of finding nothing applied", async () => {
  await using server = await startPostgres();
  const [admin, sql] = await ownedBy(server, "app");
  await admin.unsafe(
    "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY; ALTER TABLE schema_migrations FORCE ROW LEVEL SECURITY",
  );
  const error = await assertRejects(() => backendOver(sql).read(), MigrationError);
  assertStringIncludes(error.hint!, "NO FORCE ROW LEVEL SECURITY");
});

Deno.test("Another Outpost further down the search path is never read or changed", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  const inPublic = backendOver(admin);
  await migrateTo(inPublic, 4);
  await fill(admin);
  await migrateTo(inPublic, 9);
  await admin`CREATE SCHEMA "a, B"`;
  const sql = server.client(url, { max: 2, connection: { search_path: '"a, B",public' } });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  const before = await everything(admin);
  // Nothing of what step 10 renames, and nothing that cleanup empties, stands in the schema itself.
  await sql`ALTER INDEX "a, B".deliveries_default_pkey RENAME TO mine`;
  await migrateTo(backend, 4);
  await sql`ALTER INDEX "a, B".mine RENAME TO deliveries_default_pkey`;
  await migrateTo(backend, 9);
  await sql`ALTER INDEX "a, B".deliveries_pkey RENAME TO mine`;
  await sql`DROP TABLE "a, B".outpost_quarantine`;
  await migrateTo(backend, 10);
  assertEquals((await backend.planCleanup(5))!.rows, 0);
  {
    await using session = await locked(backend);
    assertEquals(await session.cleanup(5, running()), 0);
  }
  assertEquals(await everything(admin), before);
});

Deno.test("A table of the same name for this session alone is not taken for Outpost's", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const admin = server.client(url, { max: 2 });
  await migrateTo(backendOver(admin), 4);
  await admin.unsafe(`CREATE SCHEMA tools;
    CREATE FUNCTION tools.at_login() RETURNS void LANGUAGE sql AS 'CREATE TEMP TABLE schema_migrations (version bigint, dirty boolean)'`);
  const sql = server.client(url, { max: 1 });
  await sql`SELECT tools.at_login()`;
  assertEquals((await backendOver(sql).read()).version, 4);
  const first = server.client(url, { max: 1, connection: { search_path: "pg_temp,public" } });
  await first`SELECT tools.at_login()`;
  await assertRejects(() => backendOver(first).read(), MigrationError, "temporary");
});

Deno.test("A search path that begins with the server's own schema is refused, and nothing is called pending", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await migrateTo(backendOver(server.client(url, { max: 2 })), 10);
  const backend = backendOver(
    server.client(url, { max: 1, connection: { search_path: "pg_catalog,public" } }),
  );
  for (const refused of [() => backend.read(), () => locked(backend)]) {
    const error = await assertRejects<MigrationError>(refused, MigrationError, "the server's own tables");
    assertEquals(error.hint, "Name the schema of the tables first in search_path of the Postgres URL");
  }
});
