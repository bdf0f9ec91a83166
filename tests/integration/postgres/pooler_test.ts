import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connectPostgres } from "../../../cli/stores/postgres/client.ts";
import { RefusedError } from "../../../engine/errors.ts";
import { hasPgBouncer, startPgBouncer, startPostgres } from "../../support/postgres.ts";
import { backendOver, locked, migrateTo, running } from "./deployment.ts";

// Elsewhere than in the project's own checks, where it is installed, a missing pooler skips these tests for all to see.
const ignore = !hasPgBouncer() && Deno.env.get("CI") === undefined;

Deno.test({ name: "connect() migrates through a pooler in session mode", ignore }, async () => {
  await using server = await startPostgres();
  await server.createDatabase("log");
  await using pooler = await startPgBouncer(server, "session");
  const sql = connectPostgres(pooler.url("log"));
  try {
    const backend = backendOver(sql);
    await migrateTo(backend, 10);
    assertEquals(await backend.verify(), {
      ok: true,
      current: 10,
      latest: 10,
      dirty: false,
      issues: [],
      warnings: [],
    });
    await using session = await locked(backend);
    // Another one finds the lock taken, and by whom.
    await using other = await backend.connect();
    assertEquals((await other.tryLock(null))?.source, "postgres");
    await session.down(10, running());
  } finally {
    await sql.end({ timeout: 1 });
  }
});

Deno.test({
  name: "connect() refuses a pooler in transaction mode and says why, and reading works through it",
  ignore,
}, async () => {
  await using server = await startPostgres();
  const admin = server.client(await server.createDatabase("log"), { max: 1 });
  await migrateTo(backendOver(admin), 4);
  await using pooler = await startPgBouncer(server, "transaction");
  const sql = connectPostgres(pooler.url("log"));
  try {
    const backend = backendOver(sql);
    assertEquals((await backend.read()).version, 4);
    assertEquals((await backend.plan([5])).steps.length, 1);
    const error = await assertRejects(() => backend.connect(), RefusedError);
    assertStringIncludes(error.message, "transaction mode");
    assertStringIncludes(error.hint!, "pool_mode = session");
  } finally {
    await sql.end({ timeout: 1 });
  }
});
