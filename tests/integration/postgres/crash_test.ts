import { assert, assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import type { SqlBackend } from "../../../engine/sql_backend.ts";
import { LockLostError } from "../../../engine/errors.ts";
import { startPostgres } from "../../support/postgres.ts";
import {
  backendOver,
  contents,
  everything,
  fill,
  locked,
  lockHolder,
  migrateTo,
  outpostSchema,
  running,
} from "./deployment.ts";

/**
 * Kills the step at some of its boundaries in turn, the commit among them; every time nothing of it may be left.
 *
 * @param stride 1 for each boundary, 3 for every third.
 * @returns How often it was killed.
 */
async function killEverywhere(
  sql: postgres.Sql,
  backend: SqlBackend,
  version: number,
  stride: number,
): Promise<number> {
  const before = await everything(sql);
  const kill = async (at: number | "commit"): Promise<boolean> => {
    await using session = await locked(backend);
    const pid = await lockHolder(sql);
    let reached = false;
    const options = running({
      onStatement: (index) => {
        if (index !== at) return;
        reached = true;
        Deno.kill(pid, "SIGTERM");
      },
      beforeCommit: async () => {
        if (at !== "commit") return;
        reached = true;
        await sql`SELECT pg_terminate_backend(${pid}, 5000)`;
      },
    });
    if (at !== "commit" && at >= await statementCount(backend, version)) return false;
    await assertRejects(
      () => session.up(version, options),
      LockLostError,
      undefined,
      `killed at ${at} of ${version}`,
    );
    assert(reached);
    assertEquals(await everything(sql), before, `after a kill at ${at} of step ${version}`);
    return true;
  };
  let kills = 0;
  while (await kill(kills * stride)) kills++;
  await kill("commit");
  return kills + 1;
}

async function statementCount(backend: SqlBackend, version: number): Promise<number> {
  return (await backend.plan([version])).steps[0]!.statements.length;
}

for (const way of ["by exchange", "in place"]) {
  Deno.test(`up() leaves nothing of a step that was killed on its way, and then ends as undisturbed, ${way}`, async () => {
    await using server = await startPostgres();
    const undisturbed = server.client(await server.createDatabase(), { max: 2 });
    const disturbed = server.client(await server.createDatabase(), { max: 2 });
    const [calm, wild] = [backendOver(undisturbed), backendOver(disturbed)];
    for (let version = 1; version <= 10; version++) {
      // What of step 8 is done before its transaction has tests of its own.
      if ((way === "by exchange" && version !== 8) || version === 5) {
        const kills = await killEverywhere(disturbed, wild, version, version === 5 ? 3 : 4);
        assert(kills > 1);
      }
      await migrateTo(calm, version);
      await migrateTo(wild, version);
      assertEquals(await outpostSchema(disturbed), await outpostSchema(undisturbed));
      if (version !== 4) continue;
      for (const sql of [undisturbed, disturbed]) {
        await fill(sql);
        if (way === "in place") await sql`COMMENT ON TABLE deliveries_default IS 'kept'`;
      }
    }
    assertEquals(await contents(disturbed), await contents(undisturbed));
    const kept = (sql: postgres.Sql) =>
      sql`SELECT migration, source_table, row FROM outpost_quarantine ORDER BY row::text`;
    assertEquals([...await kept(disturbed)], [...await kept(undisturbed)]);
    assertEquals((await wild.verify()).issues, []);
  });
}

Deno.test("down() leaves nothing of a step back that was killed on its way", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  await migrateTo(backend, 10);
  for (let version = 10; version >= 1; version--) {
    const before = await everything(sql);
    const { steps } = await backend.planDown(1);
    for (let at = version % 3; at < steps[0]!.statements.length; at += 3) {
      await using session = await locked(backend);
      const pid = await lockHolder(sql);
      const options = running({ onStatement: (index) => void (index === at && Deno.kill(pid, "SIGTERM")) });
      await assertRejects(() => session.down(version, options), LockLostError);
      assertEquals(await everything(sql), before, `after a kill at ${at} of step ${version} down`);
    }
    await using session = await locked(backend);
    await session.down(version, running());
  }
  assertEquals(await contents(sql), {});
});

Deno.test("up() finds the step applied when the connection broke after its commit", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 1);
  {
    await using session = await locked(backend);
    await session.up(2, running());
    await sql`SELECT pg_terminate_backend(${await lockHolder(sql)}, 5000)`;
    await assertRejects(() => session.ping(), LockLostError);
    await assertRejects(() => session.up(3, running()), LockLostError);
  }
  assertEquals((await backend.read()).version, 2);
  await migrateTo(backend, 3);
  assertEquals((await backend.read()).version, 3);
});
